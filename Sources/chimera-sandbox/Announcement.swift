/// The line that tells a caller where everything is.
struct Announcement {
    let catalogue: Catalogue
    let port: UInt16
    let deafPorts: DeafPorts?
    let mail: MailSink

    private var base: String { "http://127.0.0.1:\(port)" }

    var text: String {
        let buffer = JSONWriter.document { line in
            line.field("rp", "\(base)/rp")
            line.field("crescevendas", "\(base)/crescevendas")
            line.field("telegram", "\(base)/telegram")
            line.field("webhook", "\(base)/webhook")
            line.field("smtp", "smtp://127.0.0.1:\(mail.port)")
            line.field("smtps", "smtps://127.0.0.1:\(mail.tlsPort)")
            line.field("ca_file", AuthorityFile.path)
            line.field("state", "\(base)/_sandbox/state")
            line.field("control", "\(base)/_sandbox")
            if let deafPorts {
                line.field("refusing", "http://127.0.0.1:\(deafPorts.refusingPort)")
                line.field("silent", "http://127.0.0.1:\(deafPorts.silentPort)")
                line.field("silent_tls", "https://127.0.0.1:\(deafPorts.silentPort)")
            }
            line.object("credentials", writeCredentials)
            line.field("products_per_store", catalogue.products)
            line.field("seed", raw: String(catalogue.seed))
            line.array("stores") { stores in
                for store in catalogue.stores {
                    stores.object { entry in
                        entry.field("registration", store.registration)
                        entry.field("name", store.name)
                        entry.field("document", store.document)
                    }
                }
            }
        }
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    private func writeCredentials(_ credentials: inout JSONWriter) {
        credentials.object("rp") { rp in
            rp.field("username", RPStandIn.username)
            rp.field("password", RPStandIn.password)
        }
        credentials.object("crescevendas") { club in
            club.field("email", CresceVendasStandIn.email)
            club.field("token", CresceVendasStandIn.token)
        }
        credentials.object("telegram") { telegram in
            telegram.field("bot_token", TelegramStandIn.token)
            telegram.field("chat_id", TelegramStandIn.chat)
        }
        credentials.object("webhook") { webhook in
            webhook.field("secret", WebhookStandIn.secret)
            webhook.field("old_secret", WebhookStandIn.oldSecret)
        }
        credentials.object("smtp") { smtp in
            smtp.field("username", MailSink.username)
            smtp.field("password", MailSink.password)
        }
    }
}
