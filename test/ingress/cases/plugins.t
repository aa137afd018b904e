=== TEST 1: blocked URIs
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"uri-blocker": {"block_rules": ["^/admin"], "rejected_msg": "no"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 2: however they are written
--- request
GET /x/..//%61dmin
--- error_code: 403
--- response_body
{"error_msg":"no"}

=== TEST 3: others pass
--- request
GET /hello
--- response_body
hello

=== TEST 4: a referer that is not wanted, on top
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"referer-restriction": {"whitelist": ["*.a.example"]}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 5: missing
--- request
GET /hello
--- error_code: 403
--- response_body
{"message":"Your referer host is not allowed"}

=== TEST 6: wanted
--- request
GET /hello
--- more_headers
Referer: https://www.a.example/x
--- response_body
hello

=== TEST 7: a mocked answer
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"mocking": {"response_status": 201, "content_type": "text/plain", "response_example": "made up"}}}

=== TEST 8: is given without an upstream
--- request
GET /hello
--- error_code: 201
--- response_headers
Content-Type: text/plain
--- response_body
made up

=== TEST 9: unknown plugins are refused
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"no-such": {}}}
--- error_code: 400
--- response_body
{"error_msg": "unknown plugin [no-such]"}

=== TEST 10: a sensitive header the client sends is not believed
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"key-auth": {}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 11: a consumer
--- admin
PUT /apisix/admin/consumers
{"username": "ann", "plugins": {"key-auth": {"key": "k"}}}

=== TEST 12: no key
--- request
GET /headers
--- error_code: 401
--- response_headers
WWW-Authenticate: apikey realm="key"
--- response_body
{"message":"Missing API key in request"}

=== TEST 13: the gateway's word counts
--- request
GET /headers
--- more_headers
apikey: k
X-Consumer-Username: eve
--- response_body_like
"x-consumer-username":"ann"

=== TEST 14: Redis without a host
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"limit-count": {"count": 1, "time_window": 1, "policy": "redis"}}}
--- error_code: 400
--- response_body
{"error_msg": "failed to check the configuration of plugin limit-count err: then clause did not match"}

=== TEST 15: an answer made from a schema
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"mocking": {"response_schema": {"type": "object", "properties": {"a": {"type": "string", "example": "x"}, "b": {"type": "array", "items": {"type": "integer", "example": 4}}, "c": {"type": "boolean"}}}}}}

=== TEST 16: has its examples
--- request
GET /hello
--- response_body_like
^\{"a":"x","b":\[4\],"c":(true|false)\}

=== TEST 17: several fields of one name
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-rewrite": {"headers": {"set": {"X-Multi": ["a", "$arg_b"]}}}, "request-id": {"algorithm": "uuidv7"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 18: both arrive
--- request
GET /headers?b=c
--- more_headers
X-Multi: theirs
--- response_body_like
"x-multi":"a, c".*"x-request-id":"[0-9a-f]{8}-[0-9a-f]{4}-7|"x-request-id":"[0-9a-f]{8}-[0-9a-f]{4}-7.*"x-multi":"a, c"

=== TEST 19: a signature that is none
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"hmac-auth": {}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 20: is refused without a reason
--- request
GET /hello
--- more_headers
Authorization: Signature keyId="x"
--- error_code: 401
--- response_body
{"message":"client request can't be validated"}
