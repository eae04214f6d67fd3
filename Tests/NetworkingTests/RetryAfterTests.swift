import Foundation
import Networking
import Testing

struct RetryAfterTests {
    /// Sun, 06 Nov 1994 08:49:37 GMT
    private let now = Date(timeIntervalSince1970: 784_111_777)

    @Test(
        "R61: Retry-After is read as seconds or as a date, is never negative and never more than an hour",
        arguments: [
            ("0", 0), ("7", 7), (" 120 ", 120), ("3600", 3600), ("3601", 3600), ("1000000000", 3600),
            ("99999999999999999999999999", 3600), ("Sun, 06 Nov 1994 08:50:37 GMT", 60), ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
            ("Sun, 06 Nov 1994 07:49:37 GMT", 0), ("Sat, 01 Jan 2050 00:00:00 GMT", 3600), ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
            ("Sun Nov  6 08:49:57 1994", 20),
        ] as [(String, Int)])
    func readable(header: String, seconds: Int) {
        #expect(RetryAfter.duration(header, now: now) == .seconds(seconds))
    }

    @Test(
        "What is neither is nothing",
        arguments: ["", " ", "-5", "-1000000000", "1.5", "soon", "12s", "1e3", "Sun, 99 Foo 1994 08:49:37 GMT", "0x10", "Domingo: já"])
    func junk(header: String) {
        #expect(RetryAfter.duration(header, now: now) == nil)
    }
}

struct ShownURLTests {
    @Test("The origin keeps scheme, host and port only")
    func origin() {
        #expect(ShownURL.origin(of: "https://user:secret@shop.example:8443/bot123/send?token=x#y") == "https://shop.example:8443")
        #expect(ShownURL.origin(of: "http://10.0.0.7:9000") == "http://10.0.0.7:9000")
        #expect(ShownURL.origin(of: "http://h?u=a@b/c") == "http://h")
    }

    @Test("Without its query a URL keeps the path, but neither user nor fragment")
    func withoutQuery() {
        #expect(ShownURL.withoutQuery("https://u:p@shop.example/sign_in?session=1#top") == "https://shop.example/sign_in")
        #expect(ShownURL.withoutQuery("/login?next=/secret") == "/login")
        #expect(ShownURL.withoutQuery("//u:p@cdn.example/x?y") == "//cdn.example/x")
    }
}
