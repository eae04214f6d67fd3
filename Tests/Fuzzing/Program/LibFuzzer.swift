import Foundation

// swift-format-ignore: AlwaysUseLowerCamelCase
/// libFuzzer's own entry.
@_extern(c) func LLVMFuzzerRunDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ check: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// libFuzzer, driven into the target that the command line names.
enum LibFuzzer {
    /// Nil when there is no target of that name.
    static let target = FuzzTarget.all.first { CommandLine.arguments.count > 1 && $0.name == CommandLine.arguments[1] }

    /// Runs with libFuzzer's own arguments, and returns its status.
    static func run(_ arguments: [String]) -> CInt {
        var pointers: [UnsafeMutablePointer<CChar>?] = (["fuzz"] + arguments).map { strdup($0) } + [nil]
        var count = CInt(arguments.count + 1)
        return pointers.withUnsafeMutableBufferPointer { list in
            guard var start = list.baseAddress else { return 70 }
            return LLVMFuzzerRunDriver(&count, &start, tryInput)
        }
    }

    /// Writes the target's seeds and its words, in the form that `-dict` takes, into a folder.
    static func write(_ target: FuzzTarget, to folder: URL) throws {
        let seeds = folder.appending(path: "seeds")
        try FileManager.default.createDirectory(at: seeds, withIntermediateDirectories: true)
        for (index, seed) in target.seeds().enumerated() { try Foundation.Data(seed).write(to: seeds.appending(path: "\(index)")) }
        let lines = target.words.map { word in
            let escaped = word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return "\"\(escaped.joined())\"\n"
        }
        try lines.joined().write(to: folder.appending(path: "words"), atomically: true, encoding: .utf8)
    }
}

/// A broken rule ends the program as a trap does: libFuzzer then keeps the input.
private func tryInput(bytes: UnsafePointer<UInt8>?, length: Int) -> CInt {
    do {
        try LibFuzzer.target?.check(Array(UnsafeBufferPointer(start: bytes, count: length)))
    } catch {
        fatalError("\(error)")
    }
    return 0
}
