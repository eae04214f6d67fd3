/// All faults by name.
enum FaultTable {
    static let all: [Fault] = {
        let special = RPFaults.all + ClubFaults.all + TelegramFaults.all + WebhookFaults.all + MailFaults.all
        let taken = Set(special.map(\.name))
        let common = CommonFaults.targets.flatMap { target in CommonFaults.all(for: target).filter { !taken.contains($0.name) } }
        return special + common
    }()

    static let named: [String: Fault] = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// `name  meaning`, one a line.
    static var text: String {
        let width = (all.map(\.name.count).max() ?? 0) + 2
        return all.sorted { $0.name < $1.name }.map { fault in
            fault.name + String(repeating: " ", count: width - fault.name.count) + fault.meaning + "\n"
        }.joined()
    }
}
