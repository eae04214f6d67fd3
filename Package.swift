// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny")]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], needsPrograms: Bool = false, excluding excluded: [String] = []
) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies + (needsPrograms ? ["chimera", "chimera-sandbox"] : []),
        path: "Tests/\(name)",
        exclude: excluded,
        swiftSettings: strict)
}

// `scripts/fuzz` makes a program of the fuzz targets, with libFuzzer; everywhere else they are a test target.
let fuzzed: [Target.Dependency] = ["Cron", "JobQueue", "Networking", "Partners", "Postgres", "Retail", "Runtime", "Secrets"]
let fuzzing: Target =
    if let library = Context.environment["CHIMERA_LIBFUZZER"] {
        .executableTarget(
            name: "fuzz", dependencies: fuzzed, path: "Tests/Fuzzing", exclude: ["FuzzingTests.swift", "Mutator.swift"],
            swiftSettings: strict + [.enableExperimentalFeature("Extern")],
            linkerSettings: [.unsafeFlags([library]), .linkedLibrary("stdc++")])
    } else {
        .testTarget(
            name: "Fuzzing", dependencies: fuzzed + ["TestSupport"], path: "Tests/Fuzzing", exclude: ["Program"], swiftSettings: strict)
    }

let package = Package(
    name: "chimera",
    products: [
        .executable(name: "chimera", targets: ["chimera"]),
        .executable(name: "chimera-sandbox", targets: ["chimera-sandbox"]),
    ],
    targets: [
        // C libraries from Debian
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq"),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl"),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto"),
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl"),
        .target(
            name: "CJSON",
            cxxSettings: [.unsafeFlags(["-O3"])],
            linkerSettings: [.linkedLibrary("simdjson")]),

        // The product, dependencies downwards only (Sources/README.md has the map)
        module("Runtime"),
        module("Postgres", ["CPostgres", "Runtime"]),
        module("Networking", ["CCurl", "Runtime"]),
        module("Secrets", ["CCrypto", "Runtime"]),
        module("Cron"),
        module("JobQueue", ["Cron", "Postgres", "Runtime"]),
        module("Retail", ["Cron", "JobQueue", "Postgres", "Runtime"]),
        module("Partners", ["JobQueue", "Retail", "Networking", "Secrets", "CJSON", "Runtime"]),
        module("Notifications", ["JobQueue", "Postgres", "Networking", "Secrets", "Runtime"]),
        .executableTarget(
            name: "chimera",
            dependencies: [
                "Runtime", "Postgres", "Networking", "Secrets", "Cron", "JobQueue", "Retail", "Partners",
                "Notifications",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "chimera-sandbox",
            dependencies: ["CMicroHTTPD", "COpenSSL", "Runtime"],
            swiftSettings: strict),

        // Tests
        .target(
            name: "TestSupport", dependencies: ["Postgres", "Runtime"], path: "Tests/TestSupport", exclude: ["Mail", "Shim"],
            swiftSettings: strict),
        .target(
            name: "TestRig", dependencies: ["Postgres", "Runtime", "TestSupport"], path: "Tests/TestRig",
            swiftSettings: strict),
        .executableTarget(
            name: "chaos",
            dependencies: ["Postgres", "Runtime", "TestRig", "TestSupport", "chimera", "chimera-sandbox"],
            path: "Tests/Chaos", swiftSettings: strict),
        tests("RuntimeTests", ["Runtime"]),
        tests("PostgresTests", ["Postgres", "TestSupport"]),
        tests("NetworkingTests", ["Networking", "TestSupport"]),
        tests("SecretsTests", ["Secrets", "Runtime"]),
        tests("CronTests", ["Cron"]),
        tests(
            "JobQueueTests", ["Cron", "JobQueue", "Postgres", "Runtime", "TestSupport"], needsPrograms: true, excluding: ["schema.golden"]),
        tests("RetailTests", ["Cron", "JobQueue", "Notifications", "Postgres", "Retail", "Runtime", "TestSupport"]),
        tests(
            "NotificationsTests", ["JobQueue", "Networking", "Notifications", "Postgres", "Retail", "Runtime", "Secrets", "TestSupport"],
            excluding: ["Goldens"]),
        tests(
            "PartnersTests", ["JobQueue", "Partners", "Postgres", "Retail", "Networking", "Secrets", "TestSupport"], needsPrograms: true),
        tests("SandboxTests", ["TestSupport"], needsPrograms: true),
        tests("ChannelTests", ["Networking", "Notifications", "Runtime", "Secrets", "TestSupport"], needsPrograms: true),
        tests("ChimeraTests", ["JobQueue", "Postgres", "Runtime", "TestSupport"], needsPrograms: true, excluding: ["Goldens"]),
        tests("Acceptance", ["JobQueue", "Postgres", "Runtime", "TestRig", "TestSupport"], needsPrograms: true),
        fuzzing,
        tests("ChaosTests", ["chaos", "Postgres", "Runtime", "TestRig", "TestSupport"], needsPrograms: true),
        tests("Style", []),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
