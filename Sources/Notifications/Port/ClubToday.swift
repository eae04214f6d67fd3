/// How the stores that a sync failed for stand in the club today: what the failure means for the shops.
package struct ClubToday: Sendable, Hashable {
    /// Stores whose customers see no club prices of today.
    package var without = 0
    /// Stores whose campaign was accepted and not seen in the listing as it was sent.
    package var unverified = 0
    /// Stores that an earlier run published today; that campaign stays.
    package var published = 0

    /// Counts nothing.
    package init() {}
}
