"""Amazon's models, from any folder: operations, the static sandbox, and the contract.

Answers for: everything the emulator knows only because a model says it. Nothing is written per
model, and without a folder of models the emulator does without.
"""

from __future__ import annotations

from amazon_emulator.models.breaches import Breach, Contract, Mode, Side
from amazon_emulator.models.contract import Fault, faults_of_answer, faults_of_request
from amazon_emulator.models.described import Described, Library, ModelsUnreadable
from amazon_emulator.models.finding import find_folder
from amazon_emulator.models.reading import read
from amazon_emulator.models.sandbox import CASE_HEADER, Canned, answer

__all__ = [
    "CASE_HEADER",
    "Breach",
    "Canned",
    "Contract",
    "Described",
    "Fault",
    "Library",
    "Mode",
    "ModelsUnreadable",
    "Side",
    "answer",
    "faults_of_answer",
    "faults_of_request",
    "find_folder",
    "read",
]
