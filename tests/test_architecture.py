"""The house rules that a reader must be able to rely on: who imports whom, who may await, folders alike, files small."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BRIDGE = ROOT / "bridge"
MODULES = sorted(BRIDGE.rglob("*.py"))

MAY_IMPORT = {
    "errors": set(),
    "model": set(),
    "clock": {"model"},
    "book": {"model", "errors"},
    "bars": {"model", "errors"},
    "wire": {"errors"},
    "tape": {"model", "clock", "errors", "bars"},
    "dialects": {"model", "book", "bars", "errors"},
    "upstream": {"dialects.contract", "wire", "tape", "model", "clock", "errors"},
    "hub": {"model", "book", "bars", "clock", "errors"},
    "broker": {"hub.contract", "model", "errors"},
    "downstream": {"hub", "dialects.contract", "wire", "model", "clock", "errors"},
    "observe": {"errors"},
    "config": {
        "upstream.settings",
        "downstream.settings",
        "hub.settings",
        "dialects.contract",
        "dialects.loader",
        "model",
        "errors",
    },
    "app": {
        "broker",
        "clock",
        "config",
        "dialects.contract",
        "dialects.loader",
        "downstream",
        "errors",
        "hub",
        "model",
        "observe",
        "tape",
        "upstream",
        "wire",
    },
    "bench": {"errors"},
    "cli": {
        "app",
        "bench",
        "config",
        "dialects.contract",
        "dialects.loader",
        "wire",
        "tape",
        "model",
        "errors",
        "observe",
        "downstream.settings",
        "upstream.settings",
    },
    "__init__": set(),
    "__main__": {"cli"},
}
"""Part → what of ours it may import besides itself; `docs/explanation/architecture.md` says why."""

MAY_AWAIT = {
    "app/days.py",
    "app/house.py",
    "app/keeping.py",
    "cli/demo.py",
    "cli/serve.py",
    "cli/signals.py",
    "cli/simulate.py",
    "cli/tail.py",
    "hub/hub.py",
    "hub/interest.py",
    "hub/lineups/lineups.py",
    "hub/lineups/tap.py",
}
"""Files outside the two wings' edges that may be async; the wings' own are listed in the folders below."""

FOREIGN_TO_DIALECTS = {"trio", "socket", "ssl", "time", "datetime", "structlog", "logging", "httpx2", "random", "os"}


def part_of(module: Path) -> str:
    return module.relative_to(BRIDGE).parts[0].removesuffix(".py")


def dotted(module: Path) -> str:
    return ".".join(("bridge", *module.relative_to(BRIDGE).with_suffix("").parts)).removesuffix(".__init__")


def imports(module: Path) -> list[str]:
    """Every module imported anywhere in the file, `TYPE_CHECKING` blocks and function bodies included."""
    found = []
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{name.name}" for name in node.names if node.module == "bridge"]
    return found


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_every_module_imports_only_what_its_part_may(module):
    part = part_of(module)
    assert part in MAY_IMPORT, f"a new part {part}: say in this table what it may import"
    allowed = {part, *MAY_IMPORT[part]}
    for name in imports(module):
        if name == "bridge" or not name.startswith("bridge."):
            continue
        inner = name.removeprefix("bridge.")
        if inner == "__version__":
            continue
        assert any(inner == ok or inner.startswith(ok + ".") for ok in allowed), f"{dotted(module)} imports {name}"


def dialect_folders() -> list[Path]:
    return sorted(
        f for f in (BRIDGE / "dialects").iterdir() if f.is_dir() and f.name not in {"contract", "__pycache__"}
    )


@pytest.mark.parametrize("folder", dialect_folders(), ids=lambda folder: folder.name)
def test_a_dialect_imports_no_other_dialect_and_nothing_that_does_io_or_tells_time(folder):
    for module in folder.glob("*.py"):
        for name in imports(module):
            assert name.split(".")[0] not in FOREIGN_TO_DIALECTS, f"{module.name} imports {name}"
            if name.startswith("bridge.dialects."):
                inner = name.split(".")[2]
                assert inner in {folder.name, "contract", "extras", "scalars"}, (
                    f"{folder.name}/{module.name} imports {name}"
                )


def test_the_dialect_folders_hold_the_same_files():
    files = {folder.name: sorted(file.name for file in folder.glob("*.py")) for folder in dialect_folders()}
    assert len(files) >= 3
    first = next(iter(files.values()))
    assert first == sorted(
        [
            "__init__.py",
            "conversation.py",
            "decode.py",
            "dialect.py",
            "encode.py",
            "messages.py",
            "requests.py",
            "symbols.py",
        ]
    )
    assert all(names == first for names in files.values()), files


@pytest.mark.parametrize("name", [folder.name for folder in dialect_folders() if folder.name != "canonical"])
def test_no_vendor_is_named_in_code_outside_its_folder(name):
    exceptions = {"cli/demo.py", "cli/simulate.py", "downstream/settings.py"}
    for module in MODULES:
        where = module.relative_to(BRIDGE).as_posix()
        if where.startswith(f"dialects/{name}/") or where in exceptions:
            continue
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Name | ast.Attribute):
                word = node.id if isinstance(node, ast.Name) else node.attr
                assert name not in word.lower(), f"{where} names {name}"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                assert node.value != name, f"{where} names {name}"


def is_async(module: Path) -> bool:
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor)
    return any(isinstance(node, kinds) for node in ast.walk(ast.parse(module.read_text("utf-8"))))


def contracts(module: Path) -> bool:
    return module.name == "contract.py" or "contract" in module.relative_to(BRIDGE).parts


UPSTREAM_AWAITS = {
    "": "ask bell changes feed polling shelter stream_feed tape visitors vouching",
    "network": "answer body connectors exchange http line prompt silence sse tunnel websocket websocket_connection",
    "credentials": "borrowed sources tokens",
    "slots": "carrier door entrance handover link pace",
    "watches": "lookout orders repairs watches",
    "ladder": "feed rung",
}
DOWNSTREAM_AWAITS = {
    "": "server",
    "door": "binds door eager",
    "guard": "buffer connection epoll guard h11 h2 socket tasks websocket",
    "access": "admission jwks tokens vouching",
    "questions": "news past",
    "outlets": "asgi choice direct h2 outlet seam",
    "fanout": "pump",
    "streams": "connection sse websocket",
    "requests": "answers control dispatcher mint patch polling state",
    "specs": "documents",
}


def test_only_the_listed_files_may_await():
    found = {m.relative_to(BRIDGE).as_posix() for m in MODULES if is_async(m) and not contracts(m)}
    edges = {name for name in found if name.startswith(("upstream/", "downstream/"))}
    assert found - edges == MAY_AWAIT & found
    assert not (found - edges) - MAY_AWAIT
    listed = set()
    for wing, folders in (("upstream", UPSTREAM_AWAITS), ("downstream", DOWNSTREAM_AWAITS)):
        for folder, names in folders.items():
            listed |= {Path(wing, folder, f"{name}.py").as_posix() for name in names.split()}
    assert edges == listed


BELOW = {
    "upstream": {
        "network": "",
        "credentials": "network",
        "session": "",
        "standing": "network session",
        "slots": "credentials network session standing",
        "watches": "standing",
        "ladder": "credentials slots standing watches",
    },
    "hub": {
        "subscribers": "",
        "state": "subscribers",
        "inlet": "state",
        "lineups": "inlet",
    },
    "downstream": {
        "guard": "",
        "access": "",
        "questions": "",
        "outlets": "guard",
        "fanout": "outlets",
        "streams": "access questions fanout outlets",
        "requests": "access questions fanout outlets streams",
        "specs": "requests",
        "door": "access guard requests",
    },
}
"""What each folder of a part may import of the others, beside the files that stand between them."""

FOLDERS = [(part, folder) for part, folders in BELOW.items() for folder in folders]


@pytest.mark.parametrize(("part", "folder"), FOLDERS)
def test_the_folders_of_a_part_stand_on_one_another(part, folder):
    between = {module.stem for module in (BRIDGE / part).glob("*.py")}
    for module in (BRIDGE / part / folder).glob("*.py"):
        used = {name.split(".")[2] for name in imports(module) if name.startswith(f"bridge.{part}.")}
        assert used <= {folder, *BELOW[part][folder].split(), *between}, module.name


@pytest.mark.parametrize("part", BELOW)
def test_every_folder_has_its_place(part):
    assert {module.parent.name for module in (BRIDGE / part).glob("*/*.py")} == set(BELOW[part])


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_no_file_grows_past_300_lines(module):
    lines = module.read_text("utf-8").count("\n")
    assert lines <= 300, f"{dotted(module)} has {lines} lines: what are its two nouns?"


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_every_file_says_what_it_is(module):
    docstring = ast.get_docstring(ast.parse(module.read_text("utf-8")))
    assert docstring, "a file opens with what it is"
    assert len(docstring) >= 30


def targets(module: Path, names: dict[str, Path]) -> set[str]:
    """The modules of ours that a file names; `from package import module` names the module, not the package's face."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in names else node.module for name in inner}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found & set(names)


def test_no_import_ring_among_modules():
    names = {dotted(module): module for module in MODULES}
    graph = {name: targets(module, names) - {name} for name, module in names.items()}
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> None:
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for target in sorted(graph[name]):
            visit(target)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)
