"""The columns of the flat files that the emulator knows.

Answers for: names and their order. Amazon's page 'report-type-values' describes the reports; the
columns are those of files seen in the field.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["COLUMNS"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ALL_ORDERS = _words(
    """
        amazon-order-id merchant-order-id purchase-date last-updated-date order-status
        fulfillment-channel sales-channel order-channel url ship-service-level product-name sku asin
        item-status quantity currency item-price item-tax shipping-price shipping-tax
        gift-wrap-price gift-wrap-tax item-promotion-discount ship-promotion-discount ship-city
        ship-state ship-postal-code ship-country promotion-ids is-business-order
        purchase-order-number price-designation
        """
)

COLUMNS: dict[str, Sequence[str]] = {
    "GET_MERCHANT_LISTINGS_ALL_DATA": _words(
        """
        item-name item-description listing-id seller-sku price quantity open-date image-url
        item-is-marketplace product-id-type zshop-shipping-fee item-note item-condition
        zshop-category1 zshop-browse-path zshop-storefront-feature asin1 asin2 asin3
        will-ship-internationally expedited-shipping zshop-boldface product-id
        bid-for-featured-placement add-delete pending-quantity fulfillment-channel
        merchant-shipping-group status
        """
    ),
    "GET_FLAT_FILE_OPEN_LISTINGS_DATA": ("sku", "asin", "price", "quantity"),
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_LAST_UPDATE_GENERAL": _ALL_ORDERS,
    "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL": _ALL_ORDERS,
    "GET_FLAT_FILE_ACTIONABLE_ORDER_DATA_SHIPPING": _words(
        """
        order-id order-item-id purchase-date payments-date reporting-date promise-date
        days-past-promise buyer-email buyer-name buyer-phone-number sku product-name
        quantity-purchased quantity-shipped quantity-to-ship ship-service-level recipient-name
        ship-address-1 ship-address-2 ship-address-3 ship-city ship-state ship-postal-code
        ship-country sales-channel is-business-order
        """
    ),
    "GET_FLAT_FILE_VAT_INVOICE_DATA_REPORT": _words(
        """
        marketplace-id order-id shipping-id transaction-id transaction-type order-date
        transaction-date currency total-amount total-vat-amount invoice-number invoice-status
        invoice-status-description
        """
    ),
    "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2": _words(
        """
        settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency
        transaction-type order-id merchant-order-id adjustment-id shipment-id marketplace-name
        amount-type amount-description amount fulfillment-id posted-date posted-date-time
        order-item-code merchant-order-item-id merchant-adjustment-item-id sku quantity-purchased
        promotion-id
        """
    ),
    "GET_AFN_INVENTORY_DATA": (
        *("seller-sku", "fulfillment-channel-sku", "asin", "condition-type"),
        *("Warehouse-Condition-code", "Quantity Available"),
    ),
    "GET_FBA_MYI_ALL_INVENTORY_DATA": _words(
        """
        sku fnsku asin product-name condition your-price mfn-listing-exists mfn-fulfillable-quantity
        afn-listing-exists afn-warehouse-quantity afn-fulfillable-quantity afn-unsellable-quantity
        afn-reserved-quantity afn-total-quantity per-unit-volume afn-inbound-working-quantity
        afn-inbound-shipped-quantity afn-inbound-receiving-quantity
        """
    ),
}
