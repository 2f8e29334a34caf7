"""The types of Amazon's reports, and what is special about each.

Answers for: the list. Does not answer for: types that are not in it: Amazon adds some each year,
and nobody is kept from asking for them.

Sources: Amazon's page "report-type-values" and the pages behind it; which are restricted, cannot be
requested or can be scheduled: ``reports.json`` of jlevers/selling-partner-api. Types of Amazon's
vendor and brand programmes: their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from evergrant.rules.marketplaces import PartnerKind

__all__ = ["KNOWN", "ReportType"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportType:
    """One type. ``restricted``: its document needs a restricted data token. ``requestable`` False:
    it appears when Amazon makes it. ``longest``: so much time one report covers at most; None: no
    bound is known."""

    name: str
    partner_kinds: frozenset[PartnerKind]
    restricted: bool = False
    requestable: bool = True
    schedulable: bool = False
    longest: timedelta | None = None


_SELLERS = frozenset({PartnerKind.SELLER})
_VENDORS = frozenset({PartnerKind.VENDOR})
_BOTH = _SELLERS | _VENDORS
_MONTH = timedelta(days=31)
_LONGEST: Mapping[str, timedelta] = {
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": _MONTH,
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": _MONTH,
    "GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": _MONTH,
    "GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": _MONTH,
}


def _types(
    names: str,
    partner_kinds: frozenset[PartnerKind],
    *,
    restricted: bool = False,
    requestable: bool = True,
    schedulable: bool = False,
) -> dict[str, ReportType]:
    return {
        name: ReportType(
            name=name,
            partner_kinds=partner_kinds,
            restricted=restricted,
            requestable=requestable,
            schedulable=schedulable,
            longest=_LONGEST.get(name),
        )
        for name in names.split()
    }


#: By name.
KNOWN: Mapping[str, ReportType] = MappingProxyType(
    {
        **_types(
            """
            GET_BRAND_ANALYTICS_ALTERNATE_PURCHASE_REPORT
            GET_BRAND_ANALYTICS_ITEM_COMPARISON_REPORT
            GET_BRAND_ANALYTICS_MARKET_BASKET_REPORT
            GET_BRAND_ANALYTICS_REPEAT_PURCHASE_REPORT
            GET_BRAND_ANALYTICS_SEARCH_TERMS_REPORT GET_COUPON_PERFORMANCE_REPORT
            GET_PROMOTION_PERFORMANCE_REPORT
            """,
            _BOTH,
        ),
        **_types(
            """
            GET_VENDOR_DEMAND_FORECAST_REPORT GET_VENDOR_FORECASTING_REPORT
            GET_VENDOR_INVENTORY_HEALTH_AND_PLANNING_REPORT GET_VENDOR_INVENTORY_REPORT
            GET_VENDOR_NET_PURE_PRODUCT_MARGIN_REPORT
            GET_VENDOR_REAL_TIME_INVENTORY_REPORT GET_VENDOR_REAL_TIME_SALES_REPORT
            GET_VENDOR_REAL_TIME_TRAFFIC_REPORT GET_VENDOR_SALES_DIAGNOSTIC_REPORT
            GET_VENDOR_SALES_REPORT GET_VENDOR_TRAFFIC_REPORT
            """,
            _VENDORS,
        ),
        **_types(
            """
            FEE_DISCOUNTS_REPORT GET_CONVERGED_FLAT_FILE_PENDING_ORDERS_DATA
            GET_CSV_MFN_PRIME_RETURNS_REPORT GET_FBA_STORAGE_FEE_CHARGES_DATA
            GET_FLAT_FILE_MFN_SKU_RETURN_ATTRIBUTES_REPORT
            GET_FLAT_FILE_PENDING_ORDERS_DATA GET_FLAT_FILE_RETURNS_DATA_BY_RETURN_DATE
            GET_MERCHANTS_LISTINGS_FYP_REPORT GET_PENDING_ORDERS_DATA
            GET_SALES_AND_TRAFFIC_REPORT GET_XML_BROWSE_TREE_DATA
            GET_XML_MFN_PRIME_RETURNS_REPORT GET_XML_MFN_SKU_RETURN_ATTRIBUTES_REPORT
            GET_XML_RETURNS_DATA_BY_RETURN_DATE RFQD_BULK_DOWNLOAD
            """,
            _SELLERS,
            schedulable=True,
        ),
        **_types(
            """
            GET_AFN_INVENTORY_DATA GET_AFN_INVENTORY_DATA_BY_COUNTRY
            GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL
            GET_B2B_PRODUCT_OPPORTUNITIES_NOT_YET_ON_AMAZON
            GET_B2B_PRODUCT_OPPORTUNITIES_RECOMMENDED_FOR_YOU GET_EPR_ANNUAL_REPORTS
            GET_EPR_MONTHLY_REPORTS GET_EPR_QUARTERLY_REPORTS GET_EXCESS_INVENTORY_DATA
            GET_FBA_ESTIMATED_FBA_FEES_TXT_DATA
            GET_FBA_FULFILLMENT_CURRENT_INVENTORY_DATA
            GET_FBA_FULFILLMENT_CUSTOMER_RETURNS_DATA
            GET_FBA_FULFILLMENT_CUSTOMER_SHIPMENT_PROMOTION_DATA
            GET_FBA_FULFILLMENT_CUSTOMER_SHIPMENT_REPLACEMENT_DATA
            GET_FBA_FULFILLMENT_CUSTOMER_SHIPMENT_SALES_DATA
            GET_FBA_FULFILLMENT_CUSTOMER_TAXES_DATA
            GET_FBA_FULFILLMENT_INBOUND_NONCOMPLIANCE_DATA
            GET_FBA_FULFILLMENT_INVENTORY_ADJUSTMENTS_DATA
            GET_FBA_FULFILLMENT_INVENTORY_HEALTH_DATA
            GET_FBA_FULFILLMENT_INVENTORY_RECEIPTS_DATA
            GET_FBA_FULFILLMENT_INVENTORY_SUMMARY_DATA
            GET_FBA_FULFILLMENT_LONGTERM_STORAGE_FEE_CHARGES_DATA
            GET_FBA_FULFILLMENT_MONTHLY_INVENTORY_DATA
            GET_FBA_FULFILLMENT_REMOVAL_ORDER_DETAIL_DATA
            GET_FBA_FULFILLMENT_REMOVAL_SHIPMENT_DETAIL_DATA GET_FBA_INVENTORY_AGED_DATA
            GET_FBA_INVENTORY_PLANNING_DATA GET_FBA_MYI_ALL_INVENTORY_DATA
            GET_FBA_MYI_UNSUPPRESSED_INVENTORY_DATA GET_FBA_OVERAGE_FEE_CHARGES_DATA
            GET_FBA_RECOMMENDED_REMOVAL_DATA GET_FBA_REIMBURSEMENTS_DATA
            GET_FBA_UNO_INVENTORY_DATA
            GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL
            GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL
            GET_FLAT_FILE_ARCHIVED_ORDERS_DATA_BY_ORDER_DATE
            GET_FLAT_FILE_OPEN_LISTINGS_DATA GET_GST_MTR_B2C_CUSTOM GET_GST_STR_ADHOC
            GET_LEDGER_DETAIL_VIEW_DATA GET_LEDGER_SUMMARY_VIEW_DATA
            GET_MERCHANT_CANCELLED_LISTINGS_DATA GET_MERCHANT_LISTINGS_ALL_DATA
            GET_MERCHANT_LISTINGS_DATA GET_MERCHANT_LISTINGS_DATA_BACK_COMPAT
            GET_MERCHANT_LISTINGS_DATA_LITE GET_MERCHANT_LISTINGS_DATA_LITER
            GET_MERCHANT_LISTINGS_INACTIVE_DATA GET_MFN_PAN_EU_OFFER_STATUS
            GET_PAN_EU_OFFER_STATUS GET_PRODUCT_EXCHANGE_DATA
            GET_REFERRAL_FEE_PREVIEW_REPORT GET_REMOTE_FULFILLMENT_ELIGIBILITY
            GET_RESERVED_INVENTORY_DATA GET_RESTOCK_INVENTORY_RECOMMENDATIONS_REPORT
            GET_SELLER_FEEDBACK_DATA GET_STRANDED_INVENTORY_LOADER_DATA
            GET_STRANDED_INVENTORY_UI_DATA GET_V1_SELLER_PERFORMANCE_REPORT
            GET_V2_SELLER_PERFORMANCE_REPORT
            GET_XML_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL
            GET_XML_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL
            """,
            _SELLERS,
        ),
        **_types(
            """
            GET_EASYSHIP_PICKEDUP GET_EASYSHIP_WAITING_FOR_PICKUP
            GET_FLAT_FILE_GEO_OPPORTUNITIES GET_FLAT_FILE_SALES_TAX_DATA
            GET_MERCHANT_LISTINGS_DEFECT_DATA GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE
            GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2 GET_V2_SETTLEMENT_REPORT_DATA_XML
            """,
            _SELLERS,
            requestable=False,
        ),
        **_types(
            """
            GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING
            GET_FLAT_FILE_ORDER_REPORT_DATA_INVOICING
            GET_FLAT_FILE_ORDER_REPORT_DATA_SHIPPING GET_FLAT_FILE_ORDER_REPORT_DATA_TAX
            GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT GET_XML_VAT_INVOICE_DATA_REPORT
            """,
            _SELLERS,
            restricted=True,
            schedulable=True,
        ),
        **_types(
            """
            GET_AMAZON_FULFILLED_SHIPMENTS_DATA_INVOICING
            GET_AMAZON_FULFILLED_SHIPMENTS_DATA_TAX GET_GST_MTR_B2B_CUSTOM
            GET_VAT_TRANSACTION_DATA SC_VAT_TAX_REPORT
            """,
            _SELLERS,
            restricted=True,
        ),
        **_types(
            """
            GET_ORDER_REPORT_DATA_INVOICING GET_ORDER_REPORT_DATA_SHIPPING
            GET_ORDER_REPORT_DATA_TAX
            """,
            _SELLERS,
            restricted=True,
            requestable=False,
            schedulable=True,
        ),
        **_types(
            """
            GET_EASYSHIP_DOCUMENTS
            """,
            _SELLERS,
            restricted=True,
            requestable=False,
        ),
    }
)
