import Foundation
import TestSupport
import Testing

@testable import Postgres

@Suite("Times")
struct TimesTests {
    private func date(_ text: String) throws -> Date { try Date(postgresText: text) }

    @Test("a point in time comes back to the microsecond, whatever the zone of the session")
    func roundTrip() async throws {
        var generator = SeededGenerator()
        print("times by CHIMERA_SEED=\(generator.seed)")
        try await TestDatabase.withDatabase { database in
            try await database.pool.withConnection { connection in
                for zone in ["UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia"] {
                    _ = try await connection.query("SELECT set_config('TimeZone', \(zone), false)")
                    for index in 0..<60 {
                        let isNear = index.isMultiple(of: 2)
                        let range: ClosedRange<Int64> =
                            isNear ? -1_900_000_000_000_000...1_900_000_000_000_000 : -62_000_000_000_000_000...250_000_000_000_000_000
                        let micros = Int64.random(in: range, using: &generator)
                        let exact = "timestamptz 'epoch' + \(micros)::bigint * interval '1 microsecond'"
                        let rows = try await connection.query(
                            "SELECT timestamptz 'epoch' + \(micros)::bigint * interval '1 microsecond' AS t")
                        let read = try rows[0].get("t", as: Date.self)
                        // A Double holds microseconds exactly from 1910 to 2030 and later, and all of PostgreSQL's to better than 0.1 ms.
                        let tolerance = isNear ? 0.000_000_5 : 0.000_1
                        #expect(abs(read.timeIntervalSince1970 - Double(micros) / 1e6) < tolerance, "\(exact) read from \(zone)")
                        let written = try await connection.query(
                            "SELECT abs(extract(epoch FROM \(read)::timestamptz) - \(micros)::numeric / 1000000)::float8 AS d")
                        #expect(try written[0].get("d", as: Double.self) <= tolerance, "\(exact) written in \(zone)")
                    }
                }
            }
        }
    }

    @Test("every shape of PostgreSQL's ISO style is read")
    func shapes() throws {
        #expect(try date("1970-01-01 00:00:00+00").timeIntervalSince1970 == 0)
        #expect(try date("2026-03-01 09:30:00.5-03").timeIntervalSince1970 == 1_772_368_200.5)
        #expect(try date("2026-03-01 18:00:00+05:30") == date("2026-03-01 12:30:00+00"))
        #expect(try date("1880-01-01 00:00:00-03:06:28") == date("1880-01-01 03:06:28+00"))
        #expect(try date("2026-03-01") == date("2026-03-01 00:00:00"))
        #expect(try date("0044-03-15 BC").timeIntervalSince1970 == date("0044-03-15 00:00:00+00 BC").timeIntervalSince1970)
        #expect(try date("infinity") == .distantFuture && date("-infinity") == .distantPast)
        #expect(try date("12026-01-01 00:00:00+00").timeIntervalSince1970 == 317_336_745_600)
        for bad in ["", "2026", "2026-13-01 00:00:00+00", "2026-01-01 00:00", "2026-01-01 00:00:00+00x", "infinit", "now"] {
            #expect(throws: PostgresError.self) { try date(bad) }
        }
    }

    @Test("years before Christ and after 9999 are written as the server reads them")
    func farYears() async throws {
        try await TestDatabase.withDatabase { database in
            for text in ["0044-03-15 12:00:00+00 BC", "0001-01-01 00:00:00+00", "12026-12-31 23:59:59+00", "infinity", "-infinity"] {
                let read = try await database.pool.value("SELECT \(text)::timestamptz", as: Date.self)
                #expect(try await database.pool.value("SELECT \(read)::timestamptz = \(text)::timestamptz", as: Bool.self), "\(text)")
            }
        }
    }

    @Test("an interval comes back, in both styles the server may use")
    func intervals() async throws {
        let samples: [Duration] = [
            .zero, .seconds(90061.5), .microseconds(-1), .milliseconds(-90_061_250), .seconds(86_400 * 400), .microseconds(999_999),
        ]
        try await TestDatabase.withDatabase { database in
            try await database.pool.withConnection { connection in
                for style in ["iso_8601", "postgres"] {
                    _ = try await connection.query("SELECT set_config('IntervalStyle', \(style), false)")
                    for sample in samples {
                        let rows = try await connection.query(
                            "SELECT \(sample)::interval AS v, extract(epoch FROM \(sample)::interval)::float8 AS s")
                        #expect(try rows[0].get("v", as: Duration.self) == sample, "\(style)")
                        #expect(try rows[0].get("s", as: Double.self) == sample / .seconds(1), "\(style)")
                    }
                    for text in ["1 year 2 mons 3 days 04:05:06.789", "-1 mons +3 days -04:05:06", "-1 year"] {
                        let rows = try await connection.query(
                            "SELECT \(text)::interval AS v, extract(epoch FROM \(text)::interval)::float8 AS s")
                        let expected = try rows[0].get("s", as: Double.self)
                        let read = try rows[0].get("v", as: Duration.self) / .seconds(1)
                        #expect(abs(read - expected) < 1e-5, "\(text) \(style)")
                    }
                }
            }
        }
    }
}
