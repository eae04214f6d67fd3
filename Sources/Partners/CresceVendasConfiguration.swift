import Networking
import Retail
import Runtime

/// The `config` of a CRESCEVENDAS integration, checked (PARTNERS.md §5, "v2's configuration keys").
struct CresceVendasConfiguration: Sendable {
    /// Where the listing's lines stand; a shape that is not configured is an error.
    enum ListingShape: String, Sendable {
        /// `{"response": {"discounts": [...]}}`
        case discounts = "response.discounts"
        /// `{"discount_store_lines": [...]}`
        case lines = "discount_store_lines"
    }

    /// What the partner calls the fields of a line.
    struct FieldNames: Sendable {
        let code: String
        let price: String
        let finalPrice: String
        let limit: String
    }

    let uploadPath: String
    let listingPath: String
    let listingShape: ListingShape
    let authHeaders: [(name: String, value: String)]
    let fields: FieldNames
    /// Whether the code goes as a string.
    let codeIsText: Bool
    /// Whether an upload replaces what the store had.
    let overridesExisting: Bool
    let rules: CampaignRules
    let upload: ConnectionSettings
    let listing: ConnectionSettings

    /// Throws a permanent `PartnerFailure` that names the integration and the field at fault.
    init(_ integration: Integration) throws(PartnerFailure) {
        let config = ConfigurationFields(integration: integration)
        upload = try ConnectionSettings(config, timeout: .seconds(120), maximumBodyBytes: 16 << 20)
        listing = try ConnectionSettings(config, timeout: .seconds(120), maximumBodyBytes: 64 << 20)
        uploadPath = try config.path("send_products_endpoint", default: "/admin/integrations/discount_stores/batch_upload")
        listingPath = try config.path("get_products_endpoint", default: "/admin/integrations/discount_stores")
        let shape = try config.text("listing_shape") ?? ListingShape.discounts.rawValue
        guard let listingShape = ListingShape(rawValue: shape) else {
            throw config.defect("config.listing_shape must be response.discounts or discount_store_lines")
        }
        self.listingShape = listingShape
        guard let headers = try config.headers("auth_headers"), !headers.isEmpty else {
            throw config.defect("config.auth_headers is missing; it needs X-AdminUser-Email and X-AdminUser-Token")
        }
        authHeaders = headers
        try config.requireObject("fields")
        try config.requireObject("campaign_config")
        fields = FieldNames(
            code: try config.text("fields.code") ?? "code", price: try config.text("fields.price") ?? "price",
            finalPrice: try config.text("fields.final_price") ?? "final_price", limit: try config.text("fields.limit") ?? "limit")
        codeIsText = try config.flag("code_as_string") ?? false
        overridesExisting = try config.flag("campaign_config.override_existing") ?? true
        rules = try Self.rules(config)
    }

    private static func rules(_ config: ConfigurationFields) throws(PartnerFailure) -> CampaignRules {
        let standard = CampaignRules()
        let rules = CampaignRules(
            nameTemplate: try config.text("campaign_config.name_template") ?? standard.nameTemplate,
            startMinute: try minute("campaign_config.start_time", config) ?? standard.startMinute,
            endMinute: try minute("campaign_config.end_time", config) ?? standard.endMinute)
        guard rules.startMinute < rules.endMinute else {
            throw config.defect("config.campaign_config.end_time must lie behind start_time, on the same day")
        }
        return rules
    }

    /// Minutes after midnight of `HH:mm`.
    private static func minute(_ path: String, _ config: ConfigurationFields) throws(PartnerFailure) -> Int? {
        guard let text = try config.text(path) else { return nil }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ (1...2).contains($0.count) && $0.allSatisfy(\.isWholeNumber) }),
            let hour = UInt8(parts[0]), let minute = UInt8(parts[1]), hour < 24, minute < 60
        else { throw config.defect("config.\(path) must be a time such as 06:00") }
        return Int(hour) * 60 + Int(minute)
    }
}
