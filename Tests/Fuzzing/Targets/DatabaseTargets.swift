import Foundation
import Runtime

@testable import Postgres

extension FuzzTarget {
    /// `DATABASE_URL`.
    static let databaseURL = FuzzTarget(
        "database-url", longest: 600,
        words: [
            "postgresql://", "postgres://", "host=", " port=", "dbname=", "user=", "password=", "connect_timeout=", "sslmode=require", "?",
            "&", "%00", "%2F",
            "[::1]", ",", "@", ":", "'", "\\'", "target_session_attrs=any", "99999999999999999999", "-1", "application_name=", "service=x",
        ],
        texts: [
            "postgresql://u:pw@host:5432/db", "postgres://u@[::1]:5432/db?connect_timeout=10", "host=a,b port=1,2 dbname=x",
            "postgresql:///db",
            "postgresql://a:1,b:2/db?target_session_attrs=any", "host='a b' password='it\\'s'", "postgresql://u:p%40ss@h/d",
            "postgresql://u:p@ss@h/d", "", " ",
            "host", "host=", "=x", "postgresql://%", "postgresql://h:99999/d", "postgresql://h:0/d", "port=1,,2", "port=,",
            "connect_timeout=-1",
            "connect_timeout=9223372036854775807", "connect_timeout=99999999999999999999", "connect_timeout=abc", "sslmode=bogus",
            "nosuch=1",
            "postgresql://h/d?nosuch=1", "port=٣", "host=a\\\\\u{670} user='it\\'\u{301}s'",
            "host=a\u{0}b", "application_name=''", "client_encoding=LATIN1", "host=é",
        ]
    ) { url in
        let password = "Zq7xK2mW9pL4"
        for candidate in [
            url, url + " password=\(password)", url + "?password=\(password)", url + "&password=\(password)",
            "postgresql://u:\(password)@" + url,
        ] {
            let configuration: PostgresConfiguration
            do throws(OperatorError) {
                configuration = try PostgresConfiguration(url: candidate)
            } catch {
                try require(error.exitCode, equals: .configuration, "a bad address is a matter of configuration")
                try require(!error.message.contains(password), "the error holds no password")
                try require(!error.message.isEmpty && !error.message.contains("\n"), "the error is a sentence")
                continue
            }
            if configuration.parameters["password"] == password {
                try require(!configuration.description.contains(password), "the description holds no password")
            }
            try require(configuration.connectTimeout >= .seconds(2), "an address is given time")
            // The latest moment that a caller computes from it.
            try require(ContinuousClock.now + configuration.connectTimeout > .now, "the time can be reckoned with")
            try require(configuration.parameters["client_encoding"], equals: "UTF8", "the encoding is ours")
            let ports = (configuration.parameters["port"] ?? "").split(separator: ",")
            try require(ports.allSatisfy { UInt16($0).map { $0 > 0 } ?? false }, "ports are ports")
            var again = try PostgresConfiguration(url: configuration.connectionString(defaultSchema: "s")).parameters
            try require(
                again["options"], equals: "\(configuration.parameters["options"] ?? "") -csearch_path=s",
                "another program gets the default schema")
            again["options"] = configuration.parameters["options"]
            try require(again, equals: configuration.parameters, "another program gets the same place")
        }
    }

    /// A type's letter and a value as the server writes it.
    static let postgresText = FuzzTarget(
        "postgres-text", longest: 400,
        words: [
            "infinity", "-infinity", " BC", "+05:30", "-00:44:30", "294276-12-31", "4714-11-24", " years", " mons", " days",
            "P1Y2M3DT4H5M6.7S", "{", "}", "\"",
            "NULL", "\\x", "[0:1]=", "178000000", "999999999999999", "-9223372036854775808",
        ],
        texts: [
            "d2026-03-01 09:30:00.123456+00", "d294276-12-31 23:59:59.999999+00", "d4714-11-24 00:00:00+00 BC", "dinfinity", "d-infinity",
            "d2026-03-01",
            "d0001-01-01 BC", "d1911-12-31 23:59:59-00:44:30", "d999999999999999-01-01", "d2026-03-01 999999999999999:00:00+00",
            "d2026-02-31 00:00:00+00",
            "i1 year 2 mons -3 days 04:05:06.789", "i-04:05:06", "i178000000 years", "i-178000000 years", "i2562047788:00:54.775807",
            "i00:00:00",
            "iP1Y2M3DT4H5M6.789S", "iP-1DT-1.5S", "i999999999999999 years 999999999999999 days",
            "i999999999999999:999999999999999:999999999999999",
            "iP153722867Y153722867Y", "i9999999 days 2562047788:00:54", "a{1,NULL,\"a\\\"b\",\"\"}", "a{}", "a{,}", "a{\"}", "a[2:3]={a,b}",
            "a[=", "a{{1},{2}}",
            "n-9223372036854775808", "n9223372036854775807", "n9223372036854775808", "n-", "n", "n+1", "b\\x00ff", "b\\x0", "b\\xzz",
            "u00000000-0000-4000-8000-00000000000f", "u00000000-0000-4000-8000-00000000000", "f1e400", "f-0", "fNaN", "fInfinity", "tt",
            "tx",
        ]
    ) { text in
        let value = String(text.dropFirst())
        switch text.first {
        case "d":
            try readsBack(Foundation.Date.self, value) {
                // What lies beyond counts as infinite.
                $0 == $1 || abs($0.timeIntervalSince($1)) < max(0.000_01, $0.timeIntervalSince1970.magnitude / 0x1p50)
                    || $0.timeIntervalSince1970.magnitude > 9.2e12
            }
        case "i": try checkInterval(value)
        case "a": try readsBack([String?].self, value) { $0 == $1 }
        case "n":
            try readsBack(Int64.self, value) { $0 == $1 }
            let isNumber = value.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2D }
            try require(try? Int64(postgresText: value), equals: isNumber ? Int64(value) : nil, "the number \(value)")
            try require(try? Int16(postgresText: value), equals: isNumber ? Int16(value) : nil, "the small number \(value)")
        case "b": try readsBack([UInt8].self, value) { $0 == $1 }
        case "u": try readsBack(Foundation.UUID.self, value) { $0 == $1 }
        case "f": try readsBack(Double.self, value) { $0 == $1 || ($0.isNaN && $1.isNaN) }
        default: try readsBack(Bool.self, value) { $0 == $1 }
        }
    }

    /// The server does not write intervals as we do: only seconds.
    private static func checkInterval(_ text: String) throws {
        guard let duration = try? Duration(postgresText: text), let written = duration.postgresText else { return }
        let micros = Int128(written.replacing(" seconds", with: "").replacing(".", with: ""))
        try require(written.hasSuffix(" seconds") && written.dropLast(14).last == ".", "an interval has seconds and millionths: \(written)")
        let (seconds, attoseconds) = duration.components
        try require(micros, equals: Int128(seconds) * 1_000_000 + Int128(attoseconds / 1_000_000_000_000), "the interval \(text)")
    }

    private static func readsBack<T: PostgresDecodable & PostgresEncodable>(_ type: T.Type, _ text: String, isSame: (T, T) -> Bool) throws {
        guard let value = try? T(postgresText: text) else { return }
        guard let written = value.postgresText else { throw Violation("\(value) has no text") }
        let again = try T(postgresText: written)
        try require(isSame(value, again), "\(text.debugDescription) is \(value), written as \(written), which is \(again)")
    }
}
