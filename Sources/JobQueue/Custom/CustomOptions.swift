import Runtime

/// What a CUSTOM job runs with (SPEC §5): its `config` under the execution's params.
struct CustomOptions: Hashable, Sendable {
    /// Bytes of all arguments and of the environment together.
    static let mostBytes = 100_000
    /// The queue's own words to the program, which no configuration replaces.
    static let reservedNames: Set<String> = [
        "CHIMERA_EXECUTION_ID", "CHIMERA_ATTEMPT", "CHIMERA_FENCING_TOKEN", "CHIMERA_SCHEDULED_FOR",
    ]

    let program: String
    let arguments: [String]
    /// As configured: envelopes are opened where the program is started.
    let environment: [String: String]

    /// Throws a permanent `RunError` that names the field.
    init(_ options: JSONValue) throws(RunError) {
        guard let program = options["program"]?.stringValue else {
            throw Self.wrong("program", "it must be the name of a program in CHIMERA_CUSTOM_DIR")
        }
        self.program = program
        arguments = try Self.arguments(options["arguments"] ?? .null)
        environment = try Self.environment(options["environment"] ?? .null)
        let bytes = arguments.reduce(0) { $0 + $1.utf8.count } + environment.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard bytes <= Self.mostBytes else {
            throw Self.wrong("arguments", "with the environment they have \(bytes) bytes, more than \(Self.mostBytes); use the params")
        }
    }

    private static func arguments(_ value: JSONValue) throws(RunError) -> [String] {
        guard !value.isNull else { return [] }
        guard let elements = value.arrayValue else { throw wrong("arguments", "it must be an array of strings") }
        var arguments: [String] = []
        for element in elements {
            guard let argument = element.stringValue, !argument.utf8.contains(0) else {
                throw wrong("arguments", "it must be an array of strings")
            }
            // Everybody on the host can read the arguments of a process.
            guard !argument.hasPrefix("enc:v1:"), !argument.contains(#/:\/\/[^\/?#\s]*@/#) else {
                throw wrong("arguments", "a secret would stand in the process's arguments, for all to see; give it in environment")
            }
            arguments.append(argument)
        }
        return arguments
    }

    private static func environment(_ value: JSONValue) throws(RunError) -> [String: String] {
        guard !value.isNull else { return [:] }
        guard let members = value.objectValue else { throw wrong("environment", "it must be an object of strings") }
        var environment: [String: String] = [:]
        for (name, value) in members {
            guard let text = value.stringValue, !text.utf8.contains(0) else {
                throw wrong("environment.\(name.prefix(60))", "it must be a string")
            }
            guard !name.isEmpty, !name.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == 0 }) else {
                throw wrong("environment", "\"\(name.prefix(60))\" is no name of a variable")
            }
            guard !reservedNames.contains(name) else {
                throw wrong("environment.\(name)", "the queue itself sets it")
            }
            environment[name] = text
        }
        return environment
    }

    private static func wrong(_ field: String, _ sentence: String) -> RunError {
        RunError(code: "CONFIG", message: "config.\(field): \(sentence)", isRetryable: false)
    }
}
