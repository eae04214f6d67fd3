import TestRig
import TestSupport

/// Everything at once for a long time; afterwards what it uses is what it used at the beginning.
func soakScenario(minutes: Double) -> Scenario {
    Scenario(number: "SOAK", injected: "everything at once for \(minutes) minutes", limit: .seconds(minutes * 60 + 300)) { _ in
        throw Failed("the soak is not there yet")
    }
}
