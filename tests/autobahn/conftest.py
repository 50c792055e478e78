"""The suite itself is run only where `make autobahn` has installed it: no machine can be asked for a Python 2.7."""

import os
import shutil

from tests.support.data import ROOT

collect_ignore = []
if not (ROOT / ".autobahn/suite").is_dir() or shutil.which(os.environ.get("PYTHON27") or "python2.7") is None:
    collect_ignore.append("test_suite.py")
