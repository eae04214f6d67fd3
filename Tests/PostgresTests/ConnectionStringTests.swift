import Runtime
import Testing

@testable import Postgres

/// A connection string made for another program.
@Suite struct ConnectionStringTests {
    @Test(
        "it leads to the same place with another default schema, whatever the passwords and options hold",
        arguments: [
            "postgresql://anna:it%27s%5Cs3cret@db1,db2:5433/shop?sslmode=require",
            "host='db1,db2' port=5433 dbname=shop user=anna password='it\\'s\\\\s3cret' sslmode=require",
            "postgresql://anna:it%27s%5Cs3cret@db1,db2:5433/shop?sslmode=require&options=-csearch_path%3Dother%20-cwork_mem%3D8MB",
        ])
    func samePlace(url: String) throws {
        let given = try PostgresConfiguration(url: url, applicationName: "one")
        let made = try PostgresConfiguration(url: given.connectionString(defaultSchema: "bench"), applicationName: "two")
        var expected = given.parameters
        expected["options"] = (expected["options"] ?? "") + " -csearch_path=bench"
        expected["application_name"] = "two"
        #expect(made.parameters == expected)
        #expect(made.parameters["password"] == #"it's\s3cret"#)
    }

    @Test(
        "a password whose @ or / is not written as %40 or %2F would be taken for a host or a database, and shown: it is refused",
        arguments: [
            "postgresql://anna:pw@3xyz@localhost:5432/shop", "postgres://anna:pw@3xyz@db1,db2/shop",
            "postgresql://anna:12/3xyz@localhost/shop",
            "host='3xyz@localhost' dbname=shop",
        ])
    func unescapedPassword(url: String) {
        let error = #expect(throws: OperatorError.self) { try PostgresConfiguration(url: url) }
        #expect(error?.exitCode == .configuration && error?.message.contains("%40") == true && error?.message.contains("3xyz") == false)
    }

    @Test(
        "an @ elsewhere is somebody's choice",
        arguments: [
            "host=@abstract dbname=a@b", "postgresql://anna%40shop:p%40w@db1/a%40b?application_name=a@b", "postgresql:///shop?host=%2Frun",
        ])
    func escaped(url: String) {
        #expect(throws: Never.self) { try PostgresConfiguration(url: url) }
    }

    @Test(
        "what libpq refuses only when it connects is refused at once, by name",
        arguments: ["sslmode", "target_session_attrs", "channel_binding"])
    func choices(keyword: String) {
        let error = #expect(throws: OperatorError.self) { try PostgresConfiguration(url: "host=db1 \(keyword)=bogus") }
        #expect(error?.exitCode == .configuration && error?.message.contains("\(keyword) in DATABASE_URL must be one of") == true)
    }

    @Test("a name that the string itself gives to the program is kept")
    func applicationName() throws {
        let given = try PostgresConfiguration(url: "host=db1 application_name=shop", applicationName: "one")
        let made = try PostgresConfiguration(url: given.connectionString(defaultSchema: "bench"), applicationName: "two")
        #expect(made.parameters["application_name"] == "shop")
    }

    @Test("every address of hostaddr is an attempt of its own; what a service's file says is libpq's alone")
    func attempts() {
        #expect(
            Endpoints.all(of: ["hostaddr": "127.0.0.2,127.0.0.1", "port": "1,2", "host": "a,b"]) == [
                ["hostaddr": "127.0.0.2", "host": "a", "port": "1"], ["hostaddr": "127.0.0.1", "host": "b", "port": "2"],
            ])
        #expect(Endpoints.all(of: ["hostaddr": "127.0.0.2,127.0.0.1", "host": "a"]) == [["hostaddr": "127.0.0.2,127.0.0.1", "host": "a"]])
        #expect(Endpoints.all(of: ["service": "prod"]) == [["service": "prod"]])
    }
}
