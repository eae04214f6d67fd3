import Runtime
import Testing

@testable import Secrets

@Suite("Masking")
struct MaskingTests {
    @Test(
        "secrets in a document show as dots and the rest stays",
        arguments: [
            (#"{"password":"x","user":"y"}"#, #"{"password":"••••","user":"y"}"#),
            (#"{"PassWord":1,"senha_rp":true,"client_secret":["a"]}"#, #"{"PassWord":"••••","client_secret":"••••","senha_rp":"••••"}"#),
            (#"{"token_header":"X-A","token_response_field":"t"}"#, #"{"token_header":"••••","token_response_field":"••••"}"#),
            (#"{"apikey":"x","API_KEY":"x","X-Api-Key":"x"}"#, #"{"API_KEY":"••••","X-Api-Key":"••••","apikey":"••••"}"#),
            (
                #"{"headers":{"Authorization":"Bearer x"},"n":[{"bot_token":"x"}]}"#,
                #"{"headers":{"Authorization":"••••"},"n":[{"bot_token":"••••"}]}"#
            ),
            (#"{"auth_headers":{"X-Id":"a","Y":["b",2,null]}}"#, #"{"auth_headers":{"X-Id":"••••","Y":["••••","••••",null]}}"#),
            (#"{"auth_headers":"raw"}"#, #"{"auth_headers":"••••"}"#), (#"{"secret":{"a":{"b":"c"}}}"#, #"{"secret":"••••"}"#),
            (#"{"token":null}"#, #"{"token":null}"#), (#"["enc:v1:k1:AAAA","enc:v1: odd and more"]"#, #"["••••","••••"]"#),
            (#"{"u":"https://me:pw@host:8443/p?x=1"}"#, #"{"u":"https://••••@host:8443/p?x=1"}"#),
            (
                #"{"a":{"proxy":"me:pw@h:1"},"proxy":"http://me:pw@h:1"}"#, #"{"a":{"proxy":"••••"},"proxy":"http://••••@h:1"}"#
            ), (#"{"proxy":"h:1"}"#, #"{"proxy":"h:1"}"#),
            (
                #"{"store_ids":[7],"max_drop_percent":50,"base_url":"https://host/p"}"#,
                #"{"base_url":"https://host/p","max_drop_percent":50,"store_ids":[7]}"#
            ),
        ])
    func documents(_ input: String, _ expected: String) throws {
        let masked = Masking.mask(json: try JSONValue(parsing: input))
        #expect(masked.text == expected)
        #expect(Masking.mask(json: masked) == masked)
    }

    @Test(
        "secrets within a longer text show as dots and the rest stays",
        arguments: [
            ("nothing here", "nothing here"), ("", ""), ("at 05:30: 3 stores = all", "at 05:30: 3 stores = all"),
            ("key enc:v1:k1:AbC-_9 broke", "key •••• broke"), ("(enc:v1:k1:AbC)", "(••••)"),
            ("https://[::1]:pa/ss@host https://[::1]:80/a@b", "https://••••@host https://[::1]:80/a@b"),
            ("GET https://u:p@h/x failed", "GET https://••••@h/x failed"), ("a://u@h b://v:w@i c", "a://••••@h b://••••@i c"),
            ("postgresql://me:p@ss@db:5432/x", "postgresql://••••@db:5432/x"), ("postgres://me:p/w?z#@db/x", "postgres://••••@db/x"),
            ("https://h:8080/@me", "https://h:8080/@me"), ("https://h/a?mail=x@y", "https://h/a?mail=x@y"),
            ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
            ("https://h/a?token=abc&page=2", "https://h/a?token=••••&page=2"),
            ("host=db password=pw user=me", "host=db password=•••• user=me"),
            ("password='a b\\'c' user=me", "password='••••' user=me"), ("PASSWORD = pw", "PASSWORD = ••••"),
            ("password=[a]b c", "password=•••• c"),
            ("Authorization: Bearer abc.def\nHost: h", "Authorization: ••••\nHost: h"), ("senha: 123, ok", "senha: •••• ok"),
            (#"answer {"token": "a\"b", "n": 1}"#, #"answer {"token": "••••", "n": 1}"#),
            (#"{"body":"{\"token\":\"a\\\"b\",\"n\":1}"}"#, #"{"body":"{\"token\":\"••••\",\"n\":1}"}"#),
            (#"{"auth_headers":{"X":"a}b","Y":"c"},"n":1}"#, #"{"auth_headers":••••,"n":1}"#),
            (#"{"token":123,"n":1}"#, #"{"token":••••"n":1}"#),
            ("token=", "token="), ("token: ", "token: "), ("\"token", "\"token"), ("token=\"unclosed x", "token=\"••••"),
            ("token: {[", "token: ••••"),
            ("password=\\", "password=••••"), ("://", "://"), ("enc:v1:", "••••"),
            (#"{"password" => "a b", :token=>'c'}"#, #"{"password" => "••••", :token=>'••••'}"#),
            ("[password] => pw", "[password] => ••••"),
            ("\"token\"\t:\t\"a b\"", "\"token\"\t:\t\"••••\""), ("secret\t= pw", "secret\t= ••••"),
            ("pass[]=pw&user[password]=pw&a[]=b", "pass[]=••••&user[password]=••••&a[]=b"), ("pass%5B0%5D=pw&a=b", "pass%5B0%5D=••••&a=b"),
            ("token =>", "token =>"), ("token => [1, 2] x", "token => •••• x"),
        ])
    func texts(_ input: String, _ expected: String) {
        let masked = Masking.mask(text: input)
        #expect(masked == expected)
        #expect(Masking.mask(text: masked) == masked)
    }

    @Test("which keys are secret")
    func keys() {
        for key in ["pass", "x_PASSWORD_y", "Senha", "clientSecret", "TOKEN", "Proxy-Authorization", "apiKey", "api_key"] {
            #expect(Masking.isSecretKey(key))
        }
        for key in ["", "user", "api__key", "key", "chat_id", "url", "author", "pas s"] { #expect(!Masking.isSecretKey(key)) }
    }

    @Test("a real envelope leaves nothing behind, wherever it stands")
    func realEnvelopes() {
        let keyring = SecretKeyring.generate()
        for _ in 0..<200 {
            let envelope = keyring.encrypt("senha")
            #expect(Masking.mask(text: "a \(envelope) b") == "a •••• b")
            #expect(Masking.mask(text: "{\"x\":\"\(envelope)\"}") == "{\"x\":\"••••\"}")
        }
    }

    @Test("a hostile text costs linear time")
    func hostileTexts() {
        for piece in ["a://b:c", "token=", "token:\"", "x://", "password={", "\\\"", ":::::", "enc:v1:"] {
            let text = String(repeating: piece, count: 60_000 / piece.utf8.count)
            let start = MonotonicClock.now()
            _ = Masking.mask(text: text)
            #expect(MonotonicClock.now() - start < .seconds(20), "\(piece)")
        }
    }
}
