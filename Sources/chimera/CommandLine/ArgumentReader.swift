import Runtime

/// Sorts a command's arguments into operands and options: `--x V`, `--x=V`, and `--` before operands that begin with a dash.
struct ArgumentReader {
    private let command: Command
    private var rest: ArraySlice<String>
    private var found: [String] = []
    private var options: [String: String] = [:]

    init(command: Command, arguments: [String]) {
        self.command = command
        rest = arguments[...]
    }

    /// Throws `.usage` with the argument at fault and the usage line.
    mutating func read() throws(OperatorError) -> (operands: [String: String], options: [String: String]) {
        var areOptionsOver = false
        while let argument = rest.popFirst() {
            if !areOptionsOver, argument == "--" {
                areOptionsOver = true
            } else if !areOptionsOver, argument.hasPrefix("-"), argument != "-" {
                try readOption(argument)
            } else {
                guard found.count < command.operands.count else {
                    throw command.misuse("\(shown(argument)) is one argument too many")
                }
                found.append(argument)
            }
        }
        for operand in command.operands.dropFirst(found.count) where operand.isRequired {
            throw command.misuse("\(command.name) needs \(operand.name)")
        }
        for option in command.options where option.isRequired && options[option.name] == nil {
            throw command.misuse("\(command.name) needs \(option.spelling)")
        }
        return (Dictionary(uniqueKeysWithValues: zip(command.operands.map(\.name), found)), options)
    }

    private mutating func readOption(_ argument: String) throws(OperatorError) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = argument.hasPrefix("--") ? parts[0] : argument
        guard let option = command.options.first(where: { $0.name == name }) else {
            let near = nearest(to: name, among: command.options.map(\.name) + ["--help"])
            throw command.misuse("\(command.name) knows no option \(shown(name))\(near.map { "; did you mean \($0)?" } ?? "")")
        }
        guard options[name] == nil else { throw command.misuse("\(name) is given twice") }
        guard option.value != nil else {
            guard argument == name else { throw command.misuse("\(name) takes no value") }
            options[name] = ""
            return
        }
        let value = try argument == name ? nextValue(of: option) : parts[1]
        guard option.choices.isEmpty || option.choices.contains(value) else {
            let near = nearest(to: value.uppercased(), among: option.choices)
            throw command.misuse(
                "\(name) is one of \(option.choices.joined(separator: ", ")), not \(shown(value))\(near.map { "; did you mean \($0)?" } ?? "")"
            )
        }
        options[name] = value
    }

    /// The argument behind an option; another option of the command is none.
    private mutating func nextValue(of option: Option) throws(OperatorError) -> String {
        guard let next = rest.first, next != "--", !command.options.contains(where: { next == $0.name || next.hasPrefix($0.name + "=") })
        else {
            throw command.misuse("\(option.name) needs a value, \(option.spelling)")
        }
        rest.removeFirst()
        return next
    }
}

/// An argument fit for a message: quoted, without control characters, and no longer than 60 characters.
func shown(_ argument: String) -> String {
    let plain = argument.unicodeScalars.prefix(60).map { $0.properties.generalCategory == .control ? "?" : String($0) }
    return "\"\(plain.joined())\(argument.unicodeScalars.count > 60 ? "…" : "")\""
}

/// The word that was probably meant, or nil when none is near.
func nearest(to word: String, among candidates: [String]) -> String? {
    guard word.count <= 60 else { return nil }
    let limit = max(1, min(3, word.count / 3))
    let near = candidates.map { (word: $0, distance: editDistance(word, $0)) }.filter { $0.distance <= limit }
    return near.min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
}

/// How many letters must be typed, removed, replaced or swapped with their neighbour to make one word of the other.
private func editDistance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left), Array(right))
    guard abs(left.count - right.count) <= 3 else { return .max }
    var earlier: [Int] = []
    var previous = Array(0...right.count)
    for (row, letter) in left.enumerated() {
        var current = [row + 1]
        for (column, other) in right.enumerated() {
            var best = min(previous[column + 1] + 1, current[column] + 1, previous[column] + (letter == other ? 0 : 1))
            if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other { best = min(best, earlier[column - 1] + 1) }
            current.append(best)
        }
        (earlier, previous) = (previous, current)
    }
    return previous[right.count]
}
