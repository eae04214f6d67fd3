import Testing

/// Who may import whom: the table of `Sources/README.md` as data.
@Suite struct DependencyTests {
    static let map: [String: Set<String>] = [
        "Runtime": [],
        "Postgres": ["CPostgres", "Runtime"],
        "Networking": ["CCurl", "Runtime"],
        "Secrets": ["CCrypto", "Runtime"],
        "Cron": [],
        "JobQueue": ["Cron", "Postgres", "Runtime"],
        "Retail": ["Cron", "JobQueue", "Postgres", "Runtime"],
        "Partners": ["JobQueue", "Retail", "Networking", "Secrets", "CJSON", "Runtime"],
        "Notifications": ["JobQueue", "Postgres", "Networking", "Secrets", "Runtime"],
        "chimera": [
            "Runtime", "Postgres", "Networking", "Secrets", "Cron", "JobQueue", "Retail", "Partners", "Notifications",
        ],
        "chimera-sandbox": ["CMicroHTTPD", "COpenSSL", "Runtime"],
        // Lies under Tests: injects failures into both programs.
        "chaos": ["Postgres", "Runtime", "TestRig", "TestSupport", "chimera", "chimera-sandbox"],
    ]

    /// C libraries, and the C++ one behind a C header: they hold no Swift.
    static let libraries: Set<String> = ["CPostgres", "CCurl", "CCrypto", "CMicroHTTPD", "COpenSSL", "CJSON"]

    /// What the toolchain brings along; everyone may use it.
    static let platform: Set<String> = ["Foundation", "FoundationEssentials", "Dispatch", "Synchronization", "Glibc"]

    @Test("every target of Sources stands in the map")
    func targetsAreMapped() {
        var findings = Findings()
        for target in Set(Repository.files(under: "Sources").map { String($0.split(separator: "/")[1]) }).sorted()
        where Self.map[target] == nil && !Self.libraries.contains(target) && target != "README.md" {
            findings.add("Sources/\(target)", nil, "is not in the map of DependencyTests")
        }
        findings.expectNone()
    }

    @Test("a target imports only what the map allows")
    func importsStayWithinTheMap() {
        var findings = Findings()
        for file in Repository.sources {
            let allowed = (Self.map[file.target] ?? []).union(Self.platform)
            for (line, match) in file.matches(Self.importStatement) where !allowed.contains(String(match.output.1)) {
                findings.add(file.path, line, "\(file.target) may not import \(match.output.1)")
            }
        }
        findings.expectNone()
    }

    @Test("Package.swift declares only dependencies that the map allows")
    func manifestFollowsTheMap() {
        var findings = Findings()
        let manifest = Repository.text("Package.swift")
        let pattern =
            #/(?:module\(\s*|executableTarget\(\s*name:\s*)"([\w-]+)"(?:,\s*(?:dependencies:\s*)?\[([^\]]*)\])?/#
        let declarations = manifest.matches(of: pattern)
        #expect(declarations.count >= 8, "the pattern no longer finds Package.swift's targets")
        for declaration in declarations {
            let target = String(declaration.output.1)
            let dependencies = (declaration.output.2 ?? "").matches(of: #/"([\w-]+)"/#).map { String($0.output.1) }
            for dependency in dependencies where Self.map[target]?.contains(dependency) != true {
                findings.add("Package.swift", nil, "\(target) may not depend on \(dependency)")
            }
        }
        findings.expectNone()
    }

    @Test("the map has no cycle: dependencies point downwards only")
    func mapHasNoCycle() {
        var remaining = Self.map.mapValues { $0.subtracting(Self.libraries).subtracting(["TestRig", "TestSupport"]) }
        while let leaf = remaining.first(where: { $0.value.isEmpty })?.key {
            remaining[leaf] = nil
            remaining = remaining.mapValues { $0.subtracting([leaf]) }
        }
        #expect(remaining.isEmpty)
    }

    @Test("nothing but the toolchain's packages is used, and tests are Swift Testing's")
    func noForeignPackage() {
        var findings = Findings()
        if Repository.text("Package.swift").contains(".package(") {
            findings.add("Package.swift", nil, "depends on a package outside the toolchain")
        }
        for file in Repository.tests {
            for (line, match) in file.matches(Self.importStatement) where match.output.1 == "XCTest" {
                findings.add(file.path, line, "imports XCTest, which scripts/test does not run")
            }
        }
        findings.expectNone()
    }

    static var importStatement: Regex<(Substring, Substring)> {
        #/^\s*(?:@\w+(?:\(\w+\))?\s+|package\s+|internal\s+|private\s+|fileprivate\s+)*import\s+(?:(?:struct|class|enum|func|var|let|protocol|typealias|actor)\s+)?(\w+)/#
    }
}
