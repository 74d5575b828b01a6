"""Packages of the extra `report`, which are imported late."""

import importlib.util


def require(*names: str) -> None:
    """Raises ImportError, with the command that installs them, if packages are missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"This needs packages that are not installed: {', '.join(missing)}. Install them with: "
            f"pip install 'tftransfer[report]'"
        )
