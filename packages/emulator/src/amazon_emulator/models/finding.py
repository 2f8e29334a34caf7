"""Finds Amazon's models on this machine.

Answers for: which folder is meant, by option, environment or neighbourhood. It does not read what
the models say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from amazon_emulator.models.described import ModelsUnreadable

__all__ = ["VARIABLE", "find_folder", "model_files"]

VARIABLE = "AMAZON_EMULATOR_MODELS"

PLACES = ("selling-partner-api-models/models", "amazon-models/models", "amazon-models")

HEAD_BYTES = 4096


def find_folder(
    given: Path | None, environ: Mapping[str, str], near: Iterable[Path]
) -> Path | None:
    """The folder of models: ``given``, else the one that AMAZON_EMULATOR_MODELS names, else one
    of the usual names in the folders ``near``, their parents or one level of their children.

    None when nothing was named and nothing found. Raises ModelsUnreadable when a folder was named
    that holds no model.
    """
    if given is not None:
        return _named(given, "--models")
    if named := environ.get(VARIABLE, "").strip():
        return _named(Path(named), VARIABLE)
    seen: set[Path] = set()
    for start in near:
        for above in (start, *start.absolute().parents):
            if above in seen:
                continue
            seen.add(above)
            for folder in _usual(above):
                if next(iter(model_files(folder)), None) is not None:
                    return folder
    return None


def model_files(folder: Path) -> Iterable[Path]:
    """The files in a folder, at any depth, that call themselves Swagger or OpenAPI."""
    for path in sorted(folder.rglob("*.json")):
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError:
            continue
        if b'"swagger"' in head or b'"openapi"' in head:
            yield path


def _named(folder: Path, how: str) -> Path:
    if not folder.is_dir():
        raise ModelsUnreadable(f"{how}: there is no folder {folder}")
    if next(iter(model_files(folder)), None) is None:
        raise ModelsUnreadable(f'{how}: no model (*.json with "swagger": "2.0") is in {folder}')
    return folder


def _usual(above: Path) -> Iterable[Path]:
    for place in PLACES:
        if (above / place).is_dir():
            yield above / place
    try:
        children = sorted(child for child in above.iterdir() if child.is_dir())
    except OSError:
        return
    for child in children:
        for place in PLACES:
            if (child / place).is_dir():
                yield child / place
