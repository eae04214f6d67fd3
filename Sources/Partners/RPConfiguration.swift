import Retail
import Runtime

/// The `config` of an RP integration, checked (PARTNERS.md §5, "v2's configuration keys").
struct RPConfiguration: Sendable {
    enum Authentication: Sendable {
        /// `auth_method` LOGIN: a login gives tokens that expire.
        case login(path: String, username: String, password: String)
        /// `auth_method` TOKEN: one token that an operator entered.
        case token(String)
    }

    static let defaultProductsEndpoint = "/v2.8/produtounidade/listaprodutos/{lastId}/unidade/{storeReg}/detalhado"

    let authentication: Authentication
    /// Where the login's answer holds the token; the configured place first.
    let tokenPaths: [String]
    let tokenHeader: String
    let productsEndpoint: String
    /// The endpoint parted at each `{lastId}`, and each part at its `{storeReg}`.
    private let endpointPieces: [[String]]
    /// The parameter that carries the cursor when the path has no `{lastId}`.
    let cursorParameter: String?
    let parameters: [(name: String, value: String)]
    let maximumPages: Int
    let connection: ConnectionSettings

    /// Throws a permanent `PartnerFailure` that names the integration and the field at fault.
    init(_ integration: Integration) throws(PartnerFailure) {
        let fields = ConfigurationFields(integration: integration)
        connection = try ConnectionSettings(fields, timeout: .seconds(60), maximumBodyBytes: 16 << 20)
        authentication = try Self.authentication(fields)
        let configured = try fields.text("token_response_field")
        let usual = ["response.token", "response.content.token"]
        tokenPaths = (configured.map { [$0] } ?? []) + usual.filter { $0 != configured }
        tokenHeader = try fields.text("token_header") ?? "token"
        productsEndpoint = try fields.path("products_endpoint", default: Self.defaultProductsEndpoint)
        endpointPieces = productsEndpoint.split(separator: "{lastId}", omittingEmptySubsequences: false).map {
            $0.split(separator: "{storeReg}", omittingEmptySubsequences: false).map(String.init)
        }
        maximumPages = try fields.wholeNumber("max_pages", in: 1...1_000_000) ?? 2000

        try fields.requireObject("pagination")
        if let method = try fields.text("pagination.method"), method != "CURSOR" {
            throw fields.defect("config.pagination.method must be CURSOR")
        }
        let parameterName = try fields.text("pagination.param_name")
        let hasPlaceholder = productsEndpoint.contains("{lastId}")
        cursorParameter = hasPlaceholder ? nil : parameterName
        guard hasPlaceholder || parameterName != nil else {
            throw fields.defect("config.products_endpoint must contain {lastId}, unless config.pagination.param_name names a parameter")
        }
        guard productsEndpoint.contains("{storeReg}") else { throw fields.defect("config.products_endpoint must contain {storeReg}") }
        var parameters = try fields.texts("pagination.additional_params") ?? [("somentePreco2", "true")]
        if let limit = try fields.wholeNumber("page_limit", in: 1...100_000) { parameters.append(("limit", "\(limit)")) }
        self.parameters = parameters
    }

    private static func authentication(_ fields: ConfigurationFields) throws(PartnerFailure) -> Authentication {
        switch try fields.text("auth_method") ?? "LOGIN" {
        case "LOGIN":
            return .login(
                path: try fields.path("login_endpoint", default: "/v1.1/auth"), username: try fields.requiredText("username"),
                password: try fields.requiredText("password"))
        case "TOKEN":
            return .token(try fields.requiredText("static_token"))
        default:
            throw fields.defect("config.auth_method must be LOGIN or TOKEN")
        }
    }

    /// What must never be shown.
    var secrets: [String] {
        switch authentication {
        case .login(_, _, let password): [password] + connection.secrets
        case .token(let token): [token] + connection.secrets
        }
    }

    /// The path of the page that follows `cursor`; `unit` goes in as it is, leading zeros included.
    func pagePath(unit: String, after cursor: Int64) -> String {
        let (unit, place) = (PercentEncoding.encode(unit), "\(cursor)")
        let path = endpointPieces.map { $0.joined(separator: unit) }.joined(separator: place)
        let position = cursorParameter.map { [(name: $0, value: "\(cursor)")] } ?? []
        return PercentEncoding.path(path, adding: position + parameters)
    }
}
