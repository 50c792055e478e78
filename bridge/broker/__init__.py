"""Where the ordered log lives: `loader.open_log` finds the engine by the scheme of `[broker] url`; `memory` is the first."""
