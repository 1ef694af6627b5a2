// The service of the tests: Debian's thrift-compiler generates its client.
exception Unknown {
  1: string name
}

struct Person {
  1: i64 id
  2: string name
  3: optional double weight
  4: list<string> tags
  5: map<string, i32> scores
  6: bool active
}

service Directory {
  Person find(1: i64 id, 2: string name) throws (1: Unknown unknown)
  void ping()
  oneway void note(1: string text)
}
