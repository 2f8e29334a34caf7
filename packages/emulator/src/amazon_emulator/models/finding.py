"""Finds Amazon's models on this machine.

Answers for: which folder is meant, by option, environment or neighbourhood. It does not read what
the models say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from amazon_emulator.models.described import ModelsUnreadable

__all__ = ["VARIABLE", "find_folder", "json_files", "looks_like_a_model"]

VARIABLE = "AMAZON_EMULATOR_MODELS"

PLACES = ("selling-partner-api-models/models", "amazon-models/models", "amazon-models")

SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})


def find_folder(
    given: Path | None, environ: Mapping[str, str], near: Iterable[Path]
) -> Path | None:
    """The folder of models: ``given``, else the one that AMAZON_EMULATOR_MODELS names, else one
    of the usual names in the folders ``near``, in those above them, or in the children of these.

    None when nothing was named and nothing found. Raises ModelsUnreadable when a folder was named
    that holds no model.
    """
    if given is not None:
        return _named(given, "--models")
    if named := environ.get(VARIABLE, "").strip():
        return _named(Path(named).expanduser(), VARIABLE)
    seen: set[Path] = set()
    for start in near:
        absolute = start.absolute()
        for above in (absolute, *absolute.parents):
            if above in seen:
                continue
            seen.add(above)
            for folder in _usual(above):
                if _holds_models(folder):
                    return folder
    return None


def json_files(folder: Path, lost: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """The files ``*.json`` of a folder at any depth, in the order of their names. Hidden folders
    and those of package managers are left out; ``lost`` is told of folders that cannot be read."""
    for place, folders, names in os.walk(folder, onerror=lost):
        folders[:] = sorted(n for n in folders if n not in SKIPPED and not n.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(".json"):
                yield Path(place, name)


def looks_like_a_model(content: bytes) -> bool:
    """Cheaply, without reading it as JSON: whether a file may be a model."""
    return b'"paths"' in content and (b'"swagger"' in content or b'"openapi"' in content)


def _named(folder: Path, how: str) -> Path:
    if not _is_folder(folder):
        raise ModelsUnreadable(f"{how}: there is no folder {folder}")
    inner = folder / "models"
    # The root of a repository: its other folders may hold copies for other purposes.
    own = any(_is_model(path) for path in sorted(folder.glob("*.json")))
    if not own and _is_folder(inner) and _holds_models(inner):
        return inner
    if not _holds_models(folder):
        raise ModelsUnreadable(
            f"{how}: no model is in {folder}; wanted are files *.json that say "
            '"swagger": "2.0", as Amazon publishes them in its repository of models'
        )
    return folder


def _holds_models(folder: Path) -> bool:
    return any(_is_model(path) for path in json_files(folder))


def _is_model(path: Path) -> bool:
    try:
        return looks_like_a_model(path.read_bytes())
    except OSError:
        return False


def _usual(above: Path) -> Iterator[Path]:
    yield from (above / place for place in PLACES if _is_folder(above / place))
    try:
        children = sorted(child for child in above.iterdir() if _is_folder(child))
    except OSError:
        return
    for child in children:
        yield from (child / place for place in PLACES if _is_folder(child / place))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # somebody else's
        return False
