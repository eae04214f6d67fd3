/// What partners and channels do: tests against the stand-ins and against servers that answer byte by byte show it.
extension Catalogue {
    static let partners: [Failure] = [
        Failure(
            number: "R60", name: "a partner's connection: silent, slow, endless, cut, TLS, DNS",
            evidence: [
                .tests([
                    "NetworkingTests.HTTPFaultTests/refused", "NetworkingTests.HTTPFaultTests/noSuchName",
                    "NetworkingTests.HTTPFaultTests/silence", "NetworkingTests.HTTPFaultTests/trickle",
                    "NetworkingTests.HTTPFaultTests/endless", "NetworkingTests.HTTPFaultTests/endlessHeader",
                    "NetworkingTests.HTTPFaultTests/cutShort", "NetworkingTests.HTTPFaultTests/cutOff",
                    "NetworkingTests.HTTPFaultTests/stalledHandshake", "NetworkingTests.HTTPFaultTests/noTLS",
                    "NetworkingTests.TLSTests/certificates", "Acceptance.SourceFaultTests/lasting",
                ])
            ]),
        Failure(
            number: "R61", name: "a partner's answers: storms of errors, waits, redirects, tokens refused",
            evidence: [
                .tests([
                    "Acceptance.PartnerOutageTests/breaker", "Acceptance.PartnerOutageTests/ownSourceDown",
                    "Acceptance.PartnerOutageTests/retryAfter", "Acceptance.SourceFaultTests/passing",
                    "Acceptance.SourceFaultTests/permanent", "Acceptance.TargetFaultTests/uploadsTriedAgain",
                    "NetworkingTests.RetryAfterTests/readable", "NetworkingTests.HTTPClientTests/redirect",
                    "PartnersTests.RPSourceTests/renewal", "PartnersTests.RPPageTests/errorEnvelope",
                    "PartnersTests.CresceVendasTests/noContent",
                ])
            ]),
        Failure(
            number: "R62", name: "bodies that are huge, deep, damaged, or hold what PostgreSQL refuses",
            evidence: [
                .tests([
                    "NetworkingTests.HTTPFaultTests/announced", "NetworkingTests.HTTPClientTests/bomb",
                    "PartnersTests.RPPageTests/text", "PartnersTests.RPPageTests/empty", "PartnersTests.RPPageTests/noPage",
                    "PartnersTests.RPPageTests/depth", "PartnersTests.RPPageTests/notUTF8", "PostgresTests.ValuesTests/nul",
                    "Acceptance.SourceFaultTests/rows", "Acceptance.SourceFaultTests/oddities",
                ])
            ]),
        Failure(
            number: "R63", name: "pages that change underneath",
            evidence: [
                .tests([
                    "PartnersTests.PageCursorTests/follows", "PartnersTests.PageCursorTests/overlap",
                    "PartnersTests.PageCursorTests/stuck", "PartnersTests.PageCursorTests/cap",
                    "PartnersTests.RPSourceTests/samePage", "Acceptance.SourceFaultTests/wrongLists",
                    "Acceptance.SourceFaultTests/oddities",
                ])
            ]),
        Failure(
            number: "R64", name: "an upload is applied and its answer lost",
            evidence: [
                .tests([
                    "PartnersTests.CresceVendasTests/ambiguous", "Acceptance.TargetFaultTests/appliedAndLost",
                    "Acceptance.TargetFaultTests/uploadsTriedAgain",
                ])
            ]),
        Failure(
            number: "R65", name: "an empty list, half the catalogue gone, prices of zero",
            evidence: [.tests(["Acceptance.SyncMorningTests/drops", "Acceptance.SyncMorningTests/nothingAccepted"])]),
    ]

    static let messages: [Failure] = [
        Failure(
            number: "R70", name: "ten thousand failures in a minute",
            evidence: [.tests(["NotificationsTests.FoldingTests/storm"])]),
        Failure(
            number: "R71", name: "Telegram: too many, refused, a group that moved, text it cannot parse",
            evidence: [
                .tests([
                    "ChannelTests.TelegramChannelTests/tooMany", "ChannelTests.TelegramChannelTests/unusable",
                    "ChannelTests.TelegramChannelTests/migrated", "ChannelTests.TelegramChannelTests/unparsable",
                    "NotificationsTests.SwitchedOffTests/switchedOff", "NotificationsTests.DeliveryTests/migrated",
                    "ChimeraTests.ChannelCommandTests/migration",
                ])
            ]),
        Failure(
            number: "R72", name: "webhooks: redirects, private addresses, 410, repetitions",
            evidence: [
                .tests([
                    "ChannelTests.WebhookChannelTests/attempts", "ChannelTests.WebhookChannelTests/ends",
                    "ChannelTests.WebhookChannelTests/privateAddresses", "NetworkingTests.PublicNetworkTests/privateAddresses",
                    "NetworkingTests.PublicNetworkTests/spellings", "NetworkingTests.PublicNetworkTests/headerOnly",
                ])
            ]),
        Failure(
            number: "R73", name: "mail: a bad recipient, a lost connection, no STARTTLS, injection",
            evidence: [
                .tests([
                    "ChannelTests.EmailChannelTests/badRecipient", "ChannelTests.EmailChannelTests/laterRecipient",
                    "ChannelTests.EmailChannelTests/lostAfterDot", "ChannelTests.EmailChannelTests/insecure",
                    "ChannelTests.EmailChannelTests/defects", "NetworkingTests.MailClientTests/wire",
                    "NetworkingTests.MailClientTests/badAddresses", "NetworkingTests.MailClientTests/badSubjects",
                    "NetworkingTests.MailClientTests/lostConnections", "NetworkingTests.MailClientTests/noStartTLS",
                    "Acceptance.MailServerTests/wire", "Acceptance.MailServerTests/lostAfterDot", "Acceptance.MailServerTests/refused",
                ])
            ]),
        Failure(
            number: "R74", name: "channels that are down for a day",
            evidence: [.tests(["NotificationsTests.IndependenceTests/deadChannels"])]),
    ]
}
