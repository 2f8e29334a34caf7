from __future__ import annotations

import pytest

from evergrant.rules.applications import (
    GRANTLESS_SCOPES,
    ROTATION_SCOPE,
    ApplicationStatus,
    needs_beta,
)
from evergrant.rules.marketplaces import PartnerKind


@pytest.mark.parametrize("kind", PartnerKind)
@pytest.mark.parametrize("status", ApplicationStatus)
def test_a_draft_says_beta_unless_overridden(status: ApplicationStatus, kind: PartnerKind) -> None:
    assert needs_beta(status, kind) is (status is ApplicationStatus.DRAFT)
    assert needs_beta(status, kind, override=True) is True
    assert needs_beta(status, kind, override=False) is False


def test_scopes_are_amazons_names() -> None:
    assert ROTATION_SCOPE == "sellingpartnerapi::client_credential:rotation"
    assert all(scope.startswith("sellingpartnerapi::") for scope in GRANTLESS_SCOPES)
