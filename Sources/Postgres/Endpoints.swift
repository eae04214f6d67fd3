import Glibc

/// The addresses a configuration may mean, each with the parameters to try it alone.
///
/// libpq walks through several hosts by itself, but leaves a silent one only in its blocking calls: `PQconnectPoll` never looks at
/// `connect_timeout`. So every address is an attempt of its own here, with its own deadline, in libpq's order.
enum Endpoints {
    /// Resolves names, which may block for as long as the resolver takes. A name that cannot be resolved stays as it is: libpq then says why.
    static func all(of parameters: [String: String]) -> [[String: String]] {
        let environment = { (name: String) in getenv(name).map { String(cString: $0) } }
        // What the service's file says libpq alone knows: it stands above the environment, and below what is given here.
        guard parameters["service"] == nil, environment("PGSERVICE") == nil else { return [parameters] }
        let listed = { (keyword: String, variable: String) in
            (parameters[keyword] ?? environment(variable))?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let ports = listed("port", "PGPORT") ?? ["5432"]
        if let numbers = listed("hostaddr", "PGHOSTADDR"), numbers.count > 1 {
            let names = listed("host", "PGHOST") ?? []
            guard ports.count == 1 || ports.count == numbers.count, names.isEmpty || names.count == numbers.count else {
                return [parameters]
            }
            return numbers.indices.map { index in
                var attempt = parameters
                attempt["hostaddr"] = numbers[index]
                attempt["host"] = names.isEmpty ? nil : names[index]
                attempt["port"] = ports.count == 1 ? ports[0] : ports[index]
                return attempt
            }
        }
        guard let hosts = listed("host", "PGHOST"), listed("hostaddr", "PGHOSTADDR") == nil else { return [parameters] }
        guard ports.count == 1 || ports.count == hosts.count else { return [parameters] }
        return hosts.indices.flatMap { index -> [[String: String]] in
            var single = parameters
            single["host"] = hosts[index]
            single["port"] = ports.count == 1 ? ports[0] : ports[index]
            let addresses = addresses(of: hosts[index])
            guard !addresses.isEmpty else { return [single] }
            return addresses.map { address in
                var attempt = single
                attempt["hostaddr"] = address
                return attempt
            }
        }
    }

    /// Numeric addresses of a host name; none for a socket's folder.
    private static func addresses(of host: String) -> [String] {
        guard !host.isEmpty, !host.hasPrefix("/"), !host.hasPrefix("@") else { return [] }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &found) == 0 else { return [] }
        defer { freeaddrinfo(found) }
        var addresses: [String] = []
        var next = found
        while let entry = next?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                let address = text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } } ?? ""
                if !addresses.contains(address) { addresses.append(address) }
            }
            next = entry.ai_next
        }
        return addresses
    }
}
