/// The document of `GET /_sandbox/state`.
struct StateReport {
    let catalogue: Catalogue
    let entries: StateLog.Entries
    let channels: ChannelReport
    let campaigns: [Int: [Campaign]]
    let faults: [FaultRules.Rule]
    let startedAt: Double
    var showsBodies = false
    var showsLines = false

    func write(to document: inout JSONWriter) {
        document.field("seed", raw: String(catalogue.seed))
        document.field("started_at", StoreClock.utc(startedAt))
        document.object("rp") { rp in
            write(entries.traffic[.rp], to: &rp)
            rp.array("logins") { logins in
                for login in entries.logins {
                    logins.object { entry in
                        entry.field("at", StoreClock.utc(login.at))
                        entry.field("version", login.endpoint)
                        entry.field("username", login.username)
                        entry.field("accepted", login.isAccepted)
                    }
                }
            }
            stores(of: .rp, to: &rp) { index, entry in
                let pages = entries.pages[index] ?? StateLog.Pages()
                entry.field("pages", pages.pages)
                entry.field("empty_pages", pages.emptyPages)
                entry.field("products", pages.products)
                entry.field("last_cursor", pages.lastCursor)
            }
        }
        document.object("crescevendas") { club in
            write(entries.traffic[.cresceVendas], to: &club)
            club.array("uploads") { list in
                for upload in entries.uploads { list.object { write(upload, to: &$0) } }
            }
            club.array("listings") { list in
                for listing in entries.listings { list.object { write(listing, to: &$0) } }
            }
            stores(of: .cresceVendas, to: &club) { _, _ in }
            writeCampaigns(to: &club)
        }
        document.object("telegram") { telegram in
            write(entries.traffic[.telegram], to: &telegram)
            channels.writeTelegram(to: &telegram)
        }
        document.object("webhook") { webhook in
            write(entries.traffic[.webhook], to: &webhook)
            channels.writeWebhook(to: &webhook)
        }
        document.object("smtp") { channels.writeMail(to: &$0) }
        document.array("faults") { list in
            for rule in faults {
                list.object { entry in
                    entry.field("fault", rule.spelling)
                    entry.field("fired", rule.fired)
                    if let left = rule.left { entry.field("left", left) } else { entry.field("left", nil) }
                }
            }
        }
        document.field("redirects_followed", entries.traffic[.control]?.requests["GET redirected"] ?? 0)
        document.array("unknown_requests") { list in
            for request in entries.unknown { list.string(request) }
        }
    }

    private func write(_ traffic: StateLog.Traffic?, to document: inout JSONWriter) {
        let traffic = traffic ?? StateLog.Traffic()
        document.object("requests") { requests in
            for (name, count) in traffic.requests.sorted(by: { $0.key < $1.key }) { requests.field(name, count) }
        }
        document.object("statuses") { statuses in
            for (status, count) in traffic.statuses.sorted(by: { $0.key < $1.key }) { statuses.field(String(status), count) }
        }
        document.field("concurrent", traffic.concurrent)
        document.field("max_concurrent", traffic.mostConcurrent)
    }

    private func stores(of partner: Partner, to document: inout JSONWriter, more: (Int, inout JSONWriter) -> Void) {
        document.object("stores") { stores in
            for (index, traffic) in (entries.stores[partner] ?? [:]).sorted(by: { $0.key < $1.key }) {
                stores.object(catalogue.stores[index].registration) { entry in
                    write(traffic, to: &entry)
                    more(index, &entry)
                }
            }
        }
    }

    private func write(_ upload: StateLog.Upload, to entry: inout JSONWriter) {
        entry.field("at", StoreClock.utc(upload.at))
        entry.array("registrations") { list in
            for registration in upload.registrations { list.string(registration) }
        }
        entry.field("name", upload.name)
        entry.field("start_date", upload.start)
        entry.field("end_date", upload.end)
        entry.field("line_count", upload.lineCount)
        entry.field("digest", upload.digest)
        entry.field("body_digest", upload.bodyDigest)
        entry.field("applied", upload.isApplied)
        entry.field("status", upload.status)
        if showsBodies { entry.field("body", upload.body.map { String(decoding: $0, as: UTF8.self) }) }
    }

    private func write(_ listing: StateLog.Listing, to entry: inout JSONWriter) {
        entry.field("at", StoreClock.utc(listing.at))
        entry.field("registration", listing.registration)
        entry.field("start_date", listing.start)
        entry.field("end_date", listing.end)
        entry.field("line_count", listing.lineCount)
        entry.field("status", listing.status)
    }

    private func writeCampaigns(to document: inout JSONWriter) {
        document.object("campaigns") { stores in
            for (index, campaigns) in campaigns.sorted(by: { $0.key < $1.key }) {
                stores.array(catalogue.stores[index].registration) { list in
                    for campaign in campaigns { list.object { write(campaign, to: &$0) } }
                }
            }
        }
    }

    private func write(_ campaign: Campaign, to entry: inout JSONWriter) {
        entry.field("id", campaign.id)
        entry.field("name", campaign.name)
        entry.field("start_date", campaign.start.text)
        entry.field("end_date", campaign.end.text)
        entry.field("line_count", campaign.lines.count)
        entry.field("digest", Digest.of(campaign.lines))
        guard showsLines else { return }
        entry.array("lines") { lines in
            for line in campaign.lines {
                lines.object { member in
                    member.field("code", line.code)
                    member.field("price", cents: line.price)
                    member.field("final_price", cents: line.finalPrice)
                    member.field("limit", line.limit)
                }
            }
        }
    }
}
