import Foundation
import Runtime
import Secrets

/// A JSON object on the command line: itself, `@FILE`, or `-` for standard input.
struct JSONArgument {
    /// What a document may have in bytes.
    private static let limit = 1 << 20

    let value: JSONValue
    /// As it was written: the database keeps more digits of a number than `value` does.
    let text: String

    /// Throws `.badData` for what cannot be read or is no object, and for a plain secret among the arguments, ours or those of a job's program,
    /// where the whole machine could see it.
    init(_ argument: String, of option: String) throws(OperatorError) {
        let isOpen = argument != "-" && !argument.hasPrefix("@")
        text = isOpen ? argument : try InputFile(argument == "-" ? "-" : String(argument.dropFirst()), limit: Self.limit).text
        do {
            value = try JSONValue(parsing: text)
        } catch {
            throw OperatorError(exitCode: .badData, message: "\(option): \(error)")
        }
        guard case .object = value else {
            throw OperatorError(exitCode: .badData, message: "\(option): it must be a JSON object such as {\"key\": 1}")
        }
        for argument in value["arguments"]?.arrayValue?.compactMap(\.stringValue) ?? [] where Masking.mask(text: argument) != argument {
            throw OperatorError(
                exitCode: .badData,
                message:
                    "\(option.dropFirst(2)).arguments: a secret would stand in the process's arguments, for all to see; give it in environment"
            )
        }
        if isOpen, let place = PlainSecret.place(in: value) {
            throw OperatorError(
                exitCode: .badData,
                message:
                    "\(option): \(place) is a secret, and arguments are seen by everybody on this machine; put the JSON in a file and give \(option) @FILE, or - for standard input"
            )
        }
    }
}

/// A file, or standard input, read whole.
struct InputFile {
    let text: String

    /// Throws `.badData` when it cannot be read, is larger than `limit` bytes, or is no UTF-8.
    init(_ path: String, limit: Int) throws(OperatorError) {
        let shownName = path == "-" ? "standard input" : shown(path)
        let file = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        var bytes: [UInt8] = []
        do {
            guard let file else { throw CocoaError(.fileReadNoSuchFile) }
            while bytes.count <= limit, let piece = try file.read(upToCount: 65_536), !piece.isEmpty { bytes += piece }
        } catch {
            throw OperatorError(exitCode: .badData, message: "\(shownName) cannot be read; give a file that exists and that you may read")
        }
        guard bytes.count <= limit else {
            let size = limit < 1 << 20 ? "\(limit >> 10) KiB" : "\(limit >> 20) MiB"
            throw OperatorError(exitCode: .badData, message: "\(shownName) is larger than \(size), which is more than is taken at once")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let line = Self.lineOfBadText(bytes)
            throw OperatorError(exitCode: .badData, message: "\(shownName) is no UTF-8 in line \(line); save it as UTF-8")
        }
        self.text = text
    }

    private static func lineOfBadText(_ bytes: [UInt8]) -> Int {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0) + 1
    }
}

/// Finds secrets that are not encrypted.
private enum PlainSecret {
    /// Where the first one stands, such as `auth_headers.X-Token`.
    static func place(in document: JSONValue, path: String = "", isSecret: Bool = false) -> String? {
        switch document {
        case .object(let members):
            for (key, value) in members.sorted(by: { $0.key < $1.key }) {
                let place = path.isEmpty ? key : "\(path).\(key)"
                if let found = Self.place(in: value, path: place, isSecret: isSecret || Masking.isSecretKey(key)) { return found }
            }
            return nil
        case .array(let elements):
            return elements.lazy.compactMap { place(in: $0, path: path, isSecret: isSecret) }.first
        case .string(let text):
            let isPlain = !text.isEmpty && !text.hasPrefix("enc:v1:") && !text.contains(Masking.mask)
            return isPlain && (isSecret || Masking.mask(text: text) != text) ? path : nil
        case .null: return nil
        default: return isSecret ? path : nil
        }
    }
}
