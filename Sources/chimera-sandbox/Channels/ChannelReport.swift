/// What `GET /_sandbox/state` says of the channels.
struct ChannelReport {
    let entries: ChannelLog.Entries

    func writeTelegram(to telegram: inout JSONWriter) {
        telegram.array("messages") { list in
            for message in entries.telegram { list.object { write(message, to: &$0) } }
        }
    }

    func writeWebhook(to webhook: inout JSONWriter) {
        webhook.array("received") { list in
            for hook in entries.hooks { list.object { write(hook, to: &$0) } }
        }
    }

    func writeMail(to smtp: inout JSONWriter) {
        smtp.field("connections", entries.mailConnections)
        smtp.array("commands") { list in
            for command in entries.mailCommands { list.string(command) }
        }
        smtp.array("mails") { list in
            for mail in entries.mails { list.object { write(mail, to: &$0) } }
        }
    }

    private func write(_ message: ChannelLog.TelegramMessage, to entry: inout JSONWriter) {
        entry.field("at", StoreClock.utc(message.at))
        entry.field("chat_id", message.chat)
        entry.field("parse_mode", message.parseMode)
        entry.field("text", message.text)
        entry.field("shown", message.shown)
        entry.field("utf16_units", message.shown.utf16.count)
        entry.field("sent", message.isSent)
        entry.field("status", message.status)
    }

    private func write(_ hook: ChannelLog.Hook, to entry: inout JSONWriter) {
        entry.field("at", StoreClock.utc(hook.at))
        entry.field("path", hook.path)
        entry.field("id", hook.id)
        entry.field("timestamp", hook.timestamp)
        entry.array("signed_with") { list in
            for name in hook.signedWith { list.string(name) }
        }
        entry.object("headers") { headers in
            for (name, value) in hook.headers.sorted(by: { $0.key < $1.key }) { headers.field(name, value) }
        }
        entry.field("body", hook.body)
        entry.field("status", hook.status)
    }

    private func write(_ mail: ChannelLog.Mail, to entry: inout JSONWriter) {
        entry.field("at", StoreClock.utc(mail.at))
        entry.field("hello", mail.hello)
        entry.field("tls", mail.isEncrypted)
        entry.field("username", mail.username)
        entry.field("from", mail.from)
        entry.array("to") { list in
            for recipient in mail.recipients { list.string(recipient) }
        }
        entry.field("data", mail.text)
        entry.field("bare_line_feeds", mail.bareLineFeeds)
        entry.field("bytes_above_ascii", mail.bytesAboveASCII)
        entry.field("longest_line", mail.longestLine)
        entry.field("kept", mail.isKept)
        entry.field("status", mail.status)
    }
}
