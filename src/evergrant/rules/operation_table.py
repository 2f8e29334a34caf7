"""Amazon's operations with their usage plans: data, and nothing else.

Answers for: what Amazon's models (repository selling-partner-api-models) say of each operation,
and where they are silent, rate-limits.yml of Amazon's selling-partner-api-sdk (marked ``sdk``).
Does not answer for: what follows from it (`rules.operations`).

Written by docs/operations_table.py. A line that begins with a slash is where the paths of an API
begin; each line below is one operation: id, method, rest of the path, calls a second, burst; ``-``
where Amazon publishes none.
"""

from __future__ import annotations

__all__ = ["ROWS"]

ROWS = """
/aplus/2020-11-01
validateContentDocumentAsinRelations POST /contentAsinValidations 10 10
searchContentDocuments GET /contentDocuments 10 10
createContentDocument POST /contentDocuments 10 10
getContentDocument GET /contentDocuments/{contentReferenceKey} 10 10
updateContentDocument POST /contentDocuments/{contentReferenceKey} 10 10
postContentDocumentApprovalSubmission POST /contentDocuments/{contentReferenceKey}/approvalSubmissions 10 10
listContentDocumentAsinRelations GET /contentDocuments/{contentReferenceKey}/asins 10 10
postContentDocumentAsinRelations POST /contentDocuments/{contentReferenceKey}/asins 10 10
postContentDocumentSuspendSubmission POST /contentDocuments/{contentReferenceKey}/suspendSubmissions 10 10
searchContentPublishRecords GET /contentPublishRecords 10 10
/appIntegrations/2024-04-01
createNotification POST /notifications 1 5
deleteNotifications POST /notifications/deletion 1 5
recordActionFeedback POST /notifications/{notificationId}/feedback 1 5
/applications/2023-11-30
rotateApplicationClientSecret POST /clientSecret 0.0167 1
/awd/2024-05-09
checkInboundEligibility POST /inboundEligibility 1 1
createInbound POST /inboundOrders 1 1
getInbound GET /inboundOrders/{orderId} 2 2
updateInbound PUT /inboundOrders/{orderId} 1 1
cancelInbound POST /inboundOrders/{orderId}/cancellation 1 1
confirmInbound POST /inboundOrders/{orderId}/confirmation 1 1
listInboundShipments GET /inboundShipments 1 1
getInboundShipment GET /inboundShipments/{shipmentId} 2 2
getLabelPageTypes GET /inboundShipments/{shipmentId}/labelPageTypes 1 2
getInboundShipmentLabels GET /inboundShipments/{shipmentId}/labels 1 2
updateInboundShipmentTransportDetails PUT /inboundShipments/{shipmentId}/transport 1 1
listInventory GET /inventory 2 2
listOutbounds GET /outboundOrders 1 1
createOutbound POST /outboundOrders 1 1
getOutbound GET /outboundOrders/{orderId} 1 1
updateOutbound PUT /outboundOrders/{orderId} 1 1
confirmOutbound POST /outboundOrders/{orderId}/confirmation 1 1
listReplenishmentOrders GET /replenishmentOrders -
createReplenishmentOrder POST /replenishmentOrders -
getReplenishmentOrder GET /replenishmentOrders/{orderId} -
confirmReplenishmentOrder POST /replenishmentOrders/{orderId}/confirmation -
/batches/products/pricing/2022-05-01
getCompetitiveSummary POST /items/competitiveSummary 0.033 1
getFeaturedOfferExpectedPriceBatch POST /offer/featuredOfferExpectedPrice 0.033 1
/batches/products/pricing/v0
getItemOffersBatch POST /itemOffers 0.1 1
getListingOffersBatch POST /listingOffers 0.5 1
/catalog/2020-12-01
searchCatalogItems GET /items 2 2
getCatalogItem GET /items/{asin} 2 2
/catalog/2022-04-01
searchCatalogItems GET /items 2 2
getCatalogItem GET /items/{asin} 2 2
/catalog/2024-11-01
getVehicles GET /automotive/vehicles -
/catalog/v0
listCatalogCategories GET /categories 1 2
/customerFeedback/2024-06-01
getBrowseNodeReturnTopics GET /browseNodes/{browseNodeId}/returns/topics 1 10 sdk
getBrowseNodeReturnTrends GET /browseNodes/{browseNodeId}/returns/trends 1 10 sdk
getBrowseNodeReviewTopics GET /browseNodes/{browseNodeId}/reviews/topics 1 10 sdk
getBrowseNodeReviewTrends GET /browseNodes/{browseNodeId}/reviews/trends 1 10 sdk
getItemBrowseNode GET /items/{asin}/browseNode 1 10 sdk
getItemReviewTopics GET /items/{asin}/reviews/topics 1 10 sdk
getItemReviewTrends GET /items/{asin}/reviews/trends 1 10 sdk
/dataKiosk/2023-11-15
getDocument GET /documents/{documentId} 0.0167 15
getQueries GET /queries 0.0222 10
createQuery POST /queries 0.0167 15
cancelQuery DELETE /queries/{queryId} 0.0222 10
getQuery GET /queries/{queryId} 2 15
/definitions/2020-09-01
searchDefinitionsProductTypes GET /productTypes 5 10
getDefinitionsProductType GET /productTypes/{productType} 5 10
/delivery/2022-07-01
submitInvoice POST /invoice 1.133 25
getInvoiceStatus GET /invoice/status 1.133 25
/easyShip/2022-03-23
getScheduledPackage GET /package 1 5
updateScheduledPackages PATCH /package 1 5
createScheduledPackage POST /package 1 5
createScheduledPackageBulk POST /packages/bulk 1 5
listHandoverSlots POST /timeSlot 1 5
/externalFulfillment/2024-09-11
listReturns GET /returns 1 1 sdk
getReturn GET /returns/{returnId} 1 1 sdk
getShipments GET /shipments -
getShipment GET /shipments/{shipmentId} -
processShipment POST /shipments/{shipmentId} 1 1 sdk
retrieveInvoice GET /shipments/{shipmentId}/invoice 1 1 sdk
generateInvoice POST /shipments/{shipmentId}/invoice 1 1 sdk
createPackages POST /shipments/{shipmentId}/packages 1 1 sdk
updatePackageStatus PATCH /shipments/{shipmentId}/packages/{packageId} 1 1 sdk
updatePackage PUT /shipments/{shipmentId}/packages/{packageId} -
generateShipLabels PUT /shipments/{shipmentId}/shipLabels 1 1 sdk
retrieveShippingOptions GET /shipments/{shipmentId}/shippingOptions 1 1 sdk
/externalFulfillment/inventory/2024-09-11
batchInventory POST /inventories 50 50 sdk
/fba/inbound/v0
getPrepInstructions GET /prepInstructions 2 30
getShipmentItems GET /shipmentItems 2 30
getShipments GET /shipments 2 30
getBillOfLading GET /shipments/{shipmentId}/billOfLading 2 30
getShipmentItemsByShipmentId GET /shipments/{shipmentId}/items 2 30
getLabels GET /shipments/{shipmentId}/labels 2 30
/fba/inbound/v1
getItemEligibilityPreview GET /eligibility/itemPreview 1 1
/fba/inventory/v1
createInventoryItem POST /items 2 3 sdk
addInventory POST /items/inventory 2 3 sdk
deleteInventoryItem DELETE /items/{sellerSku} 2 3 sdk
getInventorySummaries GET /summaries 2 2
/fba/outbound/2020-07-01
deliveryOffers POST /deliveryOffers 5 30
getFeatures GET /features 2 30
getFeatureInventory GET /features/inventory/{featureName} 2 30
getFeatureSKU GET /features/inventory/{featureName}/{sellerSku} 2 30
listAllFulfillmentOrders GET /fulfillmentOrders 2 30
createFulfillmentOrder POST /fulfillmentOrders 2 30
getFulfillmentPreview POST /fulfillmentOrders/preview 2 30
getFulfillmentOrder GET /fulfillmentOrders/{sellerFulfillmentOrderId} 2 30
updateFulfillmentOrder PUT /fulfillmentOrders/{sellerFulfillmentOrderId} 2 30
cancelFulfillmentOrder PUT /fulfillmentOrders/{sellerFulfillmentOrderId}/cancel 2 30
createFulfillmentReturn PUT /fulfillmentOrders/{sellerFulfillmentOrderId}/return 2 30
submitFulfillmentOrderStatusUpdate PUT /fulfillmentOrders/{sellerFulfillmentOrderId}/status 1 1 sdk
listReturnReasonCodes GET /returnReasonCodes 2 30
getPackageTrackingDetails GET /tracking 2 30
/fba/outbound/brazil/v0
getShipmentDetails GET /shipments/{shipmentId} 1.133 25
submitInvoice POST /shipments/{shipmentId}/invoice 1.133 25
getInvoiceStatus GET /shipments/{shipmentId}/invoice/status 1.133 25
/feeds/2021-06-30
createFeedDocument POST /documents 0.5 15
getFeedDocument GET /documents/{feedDocumentId} 0.0222 10
getFeeds GET /feeds 0.0222 10
createFeed POST /feeds 0.0083 15
cancelFeed DELETE /feeds/{feedId} 2 15
getFeed GET /feeds/{feedId} 2 15
/finances/2024-06-19
listBalances GET /balances 0.5 10
listSummary GET /summary 0.5 10
listTransactions GET /transactions 0.5 10
/finances/invoices/2026-06-25
getInvoiceHeaders GET /invoices 25 5 sdk
getInvoice GET /invoices/{invoiceIdentifier} -
/finances/transfers/2024-06-01
getPaymentMethods GET /paymentMethods 0.5 30
listPayouts GET /payouts 0.5 10
initiatePayout POST /payouts 0.017 2
listExpectedPayouts GET /payouts/expected 0.5 10
/finances/transfers/wallet/2024-03-01
listAccounts GET /accounts 0.5 15 sdk
getAccount GET /accounts/{accountId} -
listAccountBalances GET /accounts/{accountId}/balance 0.5 15 sdk
listAccountTransactions GET /transactions 0.5 15 sdk
createTransaction POST /transactions 1 10 sdk
getTransaction GET /transactions/{transactionId} -
getTransferPreview GET /transferPreview 0.5 10 sdk
listTransferSchedules GET /transferSchedules 0.5 10 sdk
createTransferSchedule POST /transferSchedules 0.5 10 sdk
updateTransferSchedule PUT /transferSchedules 0.5 10 sdk
deleteScheduleTransaction DELETE /transferSchedules/{transferScheduleId} 0.5 10 sdk
getTransferSchedule GET /transferSchedules/{transferScheduleId} 0.5 10 sdk
/finances/v0
listFinancialEventGroups GET /financialEventGroups 0.5 30
listFinancialEventsByGroupId GET /financialEventGroups/{eventGroupId}/financialEvents 0.5 30
listFinancialEvents GET /financialEvents 0.5 30
listFinancialEventsByOrderId GET /orders/{orderId}/financialEvents 0.5 30
/fulfillment/outbound/2026-07-04
getOffers POST /offers 5 30
listOrders GET /orders 2 30
createOrder POST /orders 2 30
getOrder GET /orders/{orderId} 2 30
updateOrder PUT /orders/{orderId} 2 30
cancelOrder PUT /orders/{orderId}/cancel 2 30
updatePackage PUT /orders/{orderId}/packages/{packageId} -
updateOrderStatus PUT /orders/{orderId}/status -
getOrderPreview POST /previews 2 30
/inbound/fba/2024-03-20
listInboundPlans GET /inboundPlans 2 6
createInboundPlan POST /inboundPlans 2 2
getInboundPlan GET /inboundPlans/{inboundPlanId} 2 6
listInboundPlanBoxes GET /inboundPlans/{inboundPlanId}/boxes 2 6
cancelInboundPlan PUT /inboundPlans/{inboundPlanId}/cancellation 2 2
listInboundPlanItems GET /inboundPlans/{inboundPlanId}/items 2 6
updateInboundPlanName PUT /inboundPlans/{inboundPlanId}/name 2 30
listPackingGroupBoxes GET /inboundPlans/{inboundPlanId}/packingGroups/{packingGroupId}/boxes 2 30
listPackingGroupItems GET /inboundPlans/{inboundPlanId}/packingGroups/{packingGroupId}/items 2 30
setPackingInformation POST /inboundPlans/{inboundPlanId}/packingInformation 2 2
listPackingOptions GET /inboundPlans/{inboundPlanId}/packingOptions 2 6
generatePackingOptions POST /inboundPlans/{inboundPlanId}/packingOptions 2 2
confirmPackingOption POST /inboundPlans/{inboundPlanId}/packingOptions/{packingOptionId}/confirmation 2 2
listInboundPlanPallets GET /inboundPlans/{inboundPlanId}/pallets 2 6
listPlacementOptions GET /inboundPlans/{inboundPlanId}/placementOptions 2 6
generatePlacementOptions POST /inboundPlans/{inboundPlanId}/placementOptions 2 2
confirmPlacementOption POST /inboundPlans/{inboundPlanId}/placementOptions/{placementOptionId}/confirmation 2 2
getShipment GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId} 2 6
listShipmentBoxes GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/boxes 2 30
listShipmentContentUpdatePreviews GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/contentUpdatePreviews 2 30
generateShipmentContentUpdatePreviews POST /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/contentUpdatePreviews 2 30
getShipmentContentUpdatePreview GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/contentUpdatePreviews/{contentUpdatePreviewId} 2 30
confirmShipmentContentUpdatePreview POST /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/contentUpdatePreviews/{contentUpdatePreviewId}/confirmation 2 30
getDeliveryChallanDocument GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/deliveryChallanDocument 2 6
listDeliveryWindowOptions GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/deliveryWindowOptions 2 30
generateDeliveryWindowOptions POST /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/deliveryWindowOptions 2 30
confirmDeliveryWindowOptions POST /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/deliveryWindowOptions/{deliveryWindowOptionId}/confirmation 2 30
listShipmentItems GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/items 2 30
updateShipmentName PUT /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/name 2 30
listShipmentPallets GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/pallets 2 30
cancelSelfShipAppointment PUT /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/selfShipAppointmentCancellation 2 30 sdk
getSelfShipAppointmentSlots GET /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/selfShipAppointmentSlots 2 6 sdk
generateSelfShipAppointmentSlots POST /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/selfShipAppointmentSlots 2 2 sdk
scheduleSelfShipAppointment POST /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/selfShipAppointmentSlots/{slotId}/schedule 2 2 sdk
updateShipmentSourceAddress PUT /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/sourceAddress 2 30
updateShipmentTrackingDetails PUT /inboundPlans/{inboundPlanId}/shipments/{shipmentId}/trackingDetails 2 2
listTransportationOptions GET /inboundPlans/{inboundPlanId}/transportationOptions 2 6
generateTransportationOptions POST /inboundPlans/{inboundPlanId}/transportationOptions 2 2
confirmTransportationOptions POST /inboundPlans/{inboundPlanId}/transportationOptions/confirmation 2 2
listItemComplianceDetails GET /items/compliance 2 6
updateItemComplianceDetails PUT /items/compliance 2 6
createMarketplaceItemLabels POST /items/labels 2 30
listPrepDetails GET /items/prepDetails 2 30 sdk
setPrepDetails POST /items/prepDetails 2 30
getInboundOperationStatus GET /operations/{operationId} 2 6
/listings/2020-09-01
deleteListingsItem DELETE /items/{sellerId}/{sku} 5 10
patchListingsItem PATCH /items/{sellerId}/{sku} 5 10
putListingsItem PUT /items/{sellerId}/{sku} 5 10
/listings/2021-08-01
searchListingsItems GET /items/{sellerId} 5 5
deleteListingsItem DELETE /items/{sellerId}/{sku} 5 5
getListingsItem GET /items/{sellerId}/{sku} 5 10
patchListingsItem PATCH /items/{sellerId}/{sku} 5 5
putListingsItem PUT /items/{sellerId}/{sku} 5 10
getListingsRestrictions GET /restrictions 5 10
/messaging/v1
getMessagingActionsForOrder GET /orders/{amazonOrderId} 1 5
GetAttributes GET /orders/{amazonOrderId}/attributes 1 5
confirmCustomizationDetails POST /orders/{amazonOrderId}/messages/confirmCustomizationDetails 1 5
createConfirmDeliveryDetails POST /orders/{amazonOrderId}/messages/confirmDeliveryDetails 1 5
createConfirmOrderDetails POST /orders/{amazonOrderId}/messages/confirmOrderDetails 1 5
createConfirmServiceDetails POST /orders/{amazonOrderId}/messages/confirmServiceDetails 1 5
createDigitalAccessKey POST /orders/{amazonOrderId}/messages/digitalAccessKey 1 5
sendInvoice POST /orders/{amazonOrderId}/messages/invoice 1 5 sdk
createLegalDisclosure POST /orders/{amazonOrderId}/messages/legalDisclosure 1 5
createUnexpectedProblem POST /orders/{amazonOrderId}/messages/unexpectedProblem 1 5
CreateWarranty POST /orders/{amazonOrderId}/messages/warranty 1 5
/mfn/v0
getAdditionalSellerInputs POST /additionalSellerInputs 1 1
getEligibleShipmentServices POST /eligibleShippingServices 6 12
createShipment POST /shipments 2 2
cancelShipment DELETE /shipments/{shipmentId} 1 1
getShipment GET /shipments/{shipmentId} 1 1
/notifications/v1
getDestinations GET /destinations 1 5
createDestination POST /destinations 1 5
deleteDestination DELETE /destinations/{destinationId} 1 5
getDestination GET /destinations/{destinationId} 1 5
getSubscriptions GET /subscriptions 1 5
getSubscription GET /subscriptions/{notificationType} 1 5
createSubscription POST /subscriptions/{notificationType} 1 5
sendTestNotification POST /subscriptions/{notificationType}/testNotification 1 5
deleteSubscriptionById DELETE /subscriptions/{notificationType}/{subscriptionId} 1 5
getSubscriptionById GET /subscriptions/{notificationType}/{subscriptionId} 1 5
/orders/2026-01-01
searchOrders GET /orders 0.0056 20
getOrder GET /orders/{orderId} 0.5 30
/orders/v0
getOrders GET /orders 0.0167 20
getOrder GET /orders/{orderId} 0.5 30
getOrderAddress GET /orders/{orderId}/address 0.5 30
getOrderBuyerInfo GET /orders/{orderId}/buyerInfo 0.5 30
getOrderItems GET /orders/{orderId}/orderItems 0.5 30
getOrderItemsBuyerInfo GET /orders/{orderId}/orderItems/buyerInfo 0.5 30
getOrderRegulatedInfo GET /orders/{orderId}/regulatedInfo 0.5 30
updateVerificationStatus PATCH /orders/{orderId}/regulatedInfo 0.5 30
updateShipmentStatus POST /orders/{orderId}/shipment 5 15
confirmShipment POST /orders/{orderId}/shipmentConfirmation 2 10
/products/fees/v0
getMyFeesEstimates POST /feesEstimate 0.5 1
getMyFeesEstimateForASIN POST /items/{Asin}/feesEstimate 1 2
getMyFeesEstimateForSKU POST /listings/{SellerSKU}/feesEstimate 1 2
/products/pricing/v0
getCompetitivePricing GET /competitivePrice 0.5 1
getItemOffers GET /items/{Asin}/offers 0.5 1
getListingOffers GET /listings/{SellerSKU}/offers 1 2
getPricing GET /price 0.5 1
/replenishment/2022-11-07
listOfferMetrics POST /offers/metrics/search 1 1
listOffers POST /offers/search 1 1
getSellingPartnerMetrics POST /sellingPartners/metrics/search 1 1
/reports/2021-06-30
getReportDocument GET /documents/{reportDocumentId} 0.0167 15
getReports GET /reports 0.0222 10
createReport POST /reports 0.0167 15
cancelReport DELETE /reports/{reportId} 0.0222 10
getReport GET /reports/{reportId} 2 15
getReportSchedules GET /schedules 0.0222 10
createReportSchedule POST /schedules 0.0222 10
cancelReportSchedule DELETE /schedules/{reportScheduleId} 0.0222 10
getReportSchedule GET /schedules/{reportScheduleId} 0.0222 10
/sales/v1
getOrderMetrics GET /orderMetrics 0.5 15
/sellers/v1
getAccount GET /account 0.016 15
getMarketplaceParticipations GET /marketplaceParticipations 0.016 15
/service/v1
getAppointmentSlots GET /appointmentSlots 20 40
createServiceDocumentUploadDestination POST /documents 5 20
createReservation POST /reservation 5 20
cancelReservation DELETE /reservation/{reservationId} 5 20
updateReservation PUT /reservation/{reservationId} 5 20
getServiceJobs GET /serviceJobs 10 40
getServiceJobByServiceJobId GET /serviceJobs/{serviceJobId} 20 40
getAppointmmentSlotsByJobId GET /serviceJobs/{serviceJobId}/appointmentSlots 5 20
addAppointmentForServiceJobByServiceJobId POST /serviceJobs/{serviceJobId}/appointments 5 20
rescheduleAppointmentForServiceJobByServiceJobId POST /serviceJobs/{serviceJobId}/appointments/{appointmentId} 5 20
setAppointmentFulfillmentData PUT /serviceJobs/{serviceJobId}/appointments/{appointmentId}/fulfillment 5 20
assignAppointmentResources PUT /serviceJobs/{serviceJobId}/appointments/{appointmentId}/resources 1 2
cancelServiceJobByServiceJobId PUT /serviceJobs/{serviceJobId}/cancellations 5 20
completeServiceJobByServiceJobId PUT /serviceJobs/{serviceJobId}/completions 5 20
getFixedSlotCapacity POST /serviceResources/{resourceId}/capacity/fixed 5 20
getRangeSlotCapacity POST /serviceResources/{resourceId}/capacity/range 5 20
updateSchedule PUT /serviceResources/{resourceId}/schedules 5 20
/shipping/v1
getAccount GET /account 5 15
purchaseShipment POST /purchaseShipment 5 15
getRates POST /rates 5 15
createShipment POST /shipments 5 15
getShipment GET /shipments/{shipmentId} 5 15
cancelShipment POST /shipments/{shipmentId}/cancel 5 15
retrieveShippingLabel POST /shipments/{shipmentId}/containers/{trackingId}/label 5 15
purchaseLabels POST /shipments/{shipmentId}/purchaseLabels 5 15
getTrackingInformation GET /tracking/{trackingId} 1 1
/shipping/v2
getAccessPoints GET /accessPoints 80 100
getCarrierAccountFormInputs GET /carrierAccountFormInputs 80 100
getCarrierAccounts PUT /carrierAccounts 80 100
linkCarrierAccount POST /carrierAccounts/{carrierId} 5 10
linkCarrierAccount PUT /carrierAccounts/{carrierId} 80 100
unlinkCarrierAccount PUT /carrierAccounts/{carrierId}/unlink 80 100
createClaim POST /claims 80 100
generateCollectionForm POST /collectionForms 80 100
getCollectionFormHistory PUT /collectionForms/history 80 100
getCollectionForm GET /collectionForms/{collectionFormId} 80 100
submitNdrFeedback POST /ndrFeedback 80 100
oneClickShipment POST /oneClickShipment 80 100
purchaseShipment POST /shipments 80 100
getAdditionalInputs GET /shipments/additionalInputs/schema 80 100
directPurchaseShipment POST /shipments/directPurchase 80 100
getRates POST /shipments/rates 80 100
cancelShipment PUT /shipments/{shipmentId}/cancel 80 100
getShipmentDocuments GET /shipments/{shipmentId}/documents 80 100
getTracking GET /tracking 80 100
getUnmanifestedShipments PUT /unmanifestedShipments 80 100
/solicitations/v1
getSolicitationActionsForOrder GET /orders/{amazonOrderId} 1 5
createProductReviewAndSellerFeedbackSolicitation POST /orders/{amazonOrderId}/solicitations/productReviewAndSellerFeedback 1 5
/supplySources/2020-07-01
getSupplySources GET /supplySources 10 10 sdk
createSupplySource POST /supplySources 2 2 sdk
archiveSupplySource DELETE /supplySources/{supplySourceId} 20 20 sdk
getSupplySource GET /supplySources/{supplySourceId} 40 40 sdk
updateSupplySource PUT /supplySources/{supplySourceId} 1 1 sdk
updateSupplySourceStatus PUT /supplySources/{supplySourceId}/status 20 20 sdk
/tax/invoices/2024-06-19
getInvoicesAttributes GET /attributes 1 1 sdk
getInvoicesDocument GET /documents/{invoicesDocumentId} 0.0167 1 sdk
getInvoicesExports GET /exports 0.1 20 sdk
createInvoicesExport POST /exports 0.0167 1 sdk
getInvoicesExport GET /exports/{exportId} 2 15 sdk
getGovernmentInvoiceStatus GET /governmentInvoiceRequests 0.1667 1 sdk
createGovernmentInvoice POST /governmentInvoiceRequests 0.1667 1 sdk
getGovernmentInvoiceDocument GET /governmentInvoiceRequests/{shipmentId} 0.1667 1 sdk
getInvoices GET /invoices 0.1 20 sdk
getInvoice GET /invoices/{invoiceId} -
/tokens/2021-03-01
createRestrictedDataToken POST /restrictedDataToken 1 10
/tracking/2026-01-30
getShipmentTracking GET /shipments/track 2 30 sdk
/uploads/2020-11-01
createUploadDestinationForResource POST /uploadDestinations/{resource} 10 10
/vendor/directFulfillment/inventory/v1
submitInventoryUpdate POST /warehouses/{warehouseId}/items 10 10
/vendor/directFulfillment/orders/2021-12-28
submitAcknowledgement POST /acknowledgements 10 10
getOrders GET /purchaseOrders 10 10
getOrder GET /purchaseOrders/{purchaseOrderNumber} 10 10
/vendor/directFulfillment/orders/v1
submitAcknowledgement POST /acknowledgements 10 10
getOrders GET /purchaseOrders 10 10
getOrder GET /purchaseOrders/{purchaseOrderNumber} 10 10
/vendor/directFulfillment/payments/v1
submitInvoice POST /invoices 10 10
/vendor/directFulfillment/sandbox/2021-10-28
generateOrderScenarios POST /orders -
getOrderScenarios GET /transactions/{transactionId} -
/vendor/directFulfillment/shipping/2021-12-28
createContainerLabel POST /containerLabel 10 10
getCustomerInvoices GET /customerInvoices 10 10
getCustomerInvoice GET /customerInvoices/{purchaseOrderNumber} 10 10
getPackingSlips GET /packingSlips 10 10
getPackingSlip GET /packingSlips/{purchaseOrderNumber} 10 10
submitShipmentConfirmations POST /shipmentConfirmations 10 10
submitShipmentStatusUpdates POST /shipmentStatusUpdates 10 10
getShippingLabels GET /shippingLabels 10 10
submitShippingLabelRequest POST /shippingLabels 10 10
getShippingLabel GET /shippingLabels/{purchaseOrderNumber} 10 10
createShippingLabels POST /shippingLabels/{purchaseOrderNumber} 10 10
/vendor/directFulfillment/shipping/v1
getCustomerInvoices GET /customerInvoices 10 10
getCustomerInvoice GET /customerInvoices/{purchaseOrderNumber} 10 10
getPackingSlips GET /packingSlips 10 10
getPackingSlip GET /packingSlips/{purchaseOrderNumber} 10 10
submitShipmentConfirmations POST /shipmentConfirmations 10 10
submitShipmentStatusUpdates POST /shipmentStatusUpdates 10 10
getShippingLabels GET /shippingLabels 10 10
submitShippingLabelRequest POST /shippingLabels 10 10
getShippingLabel GET /shippingLabels/{purchaseOrderNumber} 10 10
/vendor/directFulfillment/transactions/2021-12-28
getTransactionStatus GET /transactions/{transactionId} 10 10
/vendor/directFulfillment/transactions/v1
getTransactionStatus GET /transactions/{transactionId} 10 10
/vendor/orders/v1
submitAcknowledgement POST /acknowledgements 10 10
getPurchaseOrders GET /purchaseOrders 10 10
getPurchaseOrder GET /purchaseOrders/{purchaseOrderNumber} 10 10
getPurchaseOrdersStatus GET /purchaseOrdersStatus 10 10
/vendor/payments/v1
submitInvoices POST /invoices 10 10
/vendor/shipping/v1
SubmitShipmentConfirmations POST /shipmentConfirmations 10 10
GetShipmentDetails GET /shipments 10 10
SubmitShipments POST /shipments 10 10
GetShipmentLabels GET /transportLabels 10 10
/vendor/transactions/v1
getTransaction GET /transactions/{transactionId} 10 20
"""  # noqa: E501
