import Networking
import Retail
import Runtime
import Secrets

/// CresceVendas as a target of campaigns (PARTNERS.md §2).
package struct CresceVendasTarget: CampaignTarget {
    /// An answer that repeats 20,000 lines has 2 MB. A longer one is not looked into: it is too long to be an error, and the listing tells.
    private static let longestReceiptBytes = 4 << 20

    private let configuration: CresceVendasConfiguration
    private let uploads: PartnerConnection
    private let listings: PartnerConnection
    private let logger: Logger

    /// Takes an integration of type CRESCEVENDAS, and what stood sealed in its configuration; throws a permanent failure that names the field
    /// when the configuration is wrong.
    package init(
        integration: Integration, secrets: [String] = [], client: HTTPClient, logger: Logger = Logger(label: "crescevendas")
    ) throws(PartnerFailure) {
        configuration = try CresceVendasConfiguration(integration)
        let redactor = Redactor(secrets: configuration.authHeaders.map(\.value) + configuration.upload.secrets + secrets)
        uploads = PartnerConnection(
            integrationName: integration.name, settings: configuration.upload, client: client, redactor: redactor)
        listings = PartnerConnection(
            integrationName: integration.name, settings: configuration.listing, client: client, redactor: redactor)
        self.logger = logger
    }

    /// See `CampaignTarget`.
    package var campaignRules: CampaignRules { configuration.rules }

    /// See `CampaignTarget`.
    package func encode(_ draft: CampaignDraft) -> [UInt8] {
        configuration.encode(draft)
    }

    /// Accepts 2xx with an empty or a JSON body that carries no error; everything else throws.
    package func upload(_ body: [UInt8], gate: any RequestGate) async throws -> UploadReceipt {
        let purpose = "upload"
        var request = uploads.request(.post, configuration.uploadPath, headers: headers)
        request.body = body
        let receipt = try await uploads.exchange(request, purpose: purpose, gate: gate) { response throws(PartnerFailure) in
            let document = PartnerMessages.document(
                response.body, limit: response.isSuccess ? Self.longestReceiptBytes : PartnerMessages.maximumBytes)
            let excerpt = uploads.redactor.excerpt(response.body)
            do throws(PartnerFailure) {
                try uploads.accept(response, document: document, purpose: purpose)
                guard document != nil || excerpt.isEmpty || response.body.count > Self.longestReceiptBytes else {
                    let isText = String(validating: response.body.prefix(Self.longestReceiptBytes), as: UTF8.self) != nil
                    let (code, shape) = isText ? ("NOT_JSON", "JSON") : ("NOT_UTF8", "UTF-8")
                    throw uploads.unusable(code, "the answer (\(response.status)) is not \(shape)", response, purpose: purpose)
                }
            } catch {
                throw error.quoting(excerpt)
            }
            return UploadReceipt(httpStatus: response.status, excerpt: excerpt)
        }
        logger.debug("campaign accepted", ["status": "\(receipt.httpStatus)", "bytes": "\(body.count)"])
        return receipt
    }

    /// See `CampaignTarget`.
    package func list(registration: String, day: String, gate: any RequestGate) async throws -> Listing {
        let purpose = "listing of store \(registration) on \(day)"
        let path = PercentEncoding.path(
            configuration.listingPath,
            adding: [
                ("store_registration", registration), ("start_date", "\(day)T00:01:00"), ("end_date", "\(day)T23:59:00"),
            ])
        let request = listings.request(.get, path, headers: headers)
        let listing = CresceVendasListing(shape: configuration.listingShape, fields: configuration.fields)
        return try await listings.exchange(request, purpose: purpose, gate: gate) { response throws(PartnerFailure) in
            try listing.lines(in: response, connection: listings, purpose: purpose)
        }
    }

    private var headers: [(name: String, value: String)] {
        configuration.authHeaders + [("Content-Type", "application/json"), ("Accept", "application/json")]
    }
}
