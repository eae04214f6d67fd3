/// Who this worker is: a UUID for every process start, for pids and host names are used again.
package struct WorkerIdentity: Sendable {
    /// The row's id in `workers`.
    package let id: String
    /// The host's name, for people.
    package let host: String
    /// The process, for people.
    package let pid: Int32
    /// The program's version.
    package let version: String
    /// How many runs at once.
    package let slots: Int

    /// Takes who it is; `id` is a fresh UUID.
    package init(id: String, host: String, pid: Int32, version: String, slots: Int) {
        self.id = id
        self.host = host
        self.pid = pid
        self.version = version
        self.slots = slots
    }
}
