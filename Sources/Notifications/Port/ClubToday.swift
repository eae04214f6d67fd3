/// How stores stand in the club today: what a failure, or a delay, means for the shops.
package struct ClubToday: Sendable, Hashable {
    /// Stores whose customers see no club prices of today.
    package var without = 0
    /// Stores whose campaign was accepted and not seen in the listing as it was sent.
    package var unverified = 0
    /// Stores that were published today; after a failure that campaign stays.
    package var published = 0

    /// Counts nothing.
    package init() {}
}
