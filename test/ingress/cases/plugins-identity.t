=== TEST 1: an anonymous consumer that is not there
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"key-auth": {"hide_credentials": true, "anonymous_consumer": "guest"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 2: lets nobody in
--- request
GET /headers?apikey=wrong
--- error_code: 401
--- response_body
{"message":"Invalid user authorization"}

=== TEST 3: the guest comes
--- admin
PUT /apisix/admin/consumers
{"username": "guest"}

=== TEST 4: what opened no door does not travel on
--- request
GET /headers?apikey=wrong
--- more_headers
apikey: wrong-too
--- response_body_like
^(?!.*wrong).*"x-consumer-username":"guest"

=== TEST 5: a realm cannot end its own quotes
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"basic-auth": {"realm": "a\", x=\"b"}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
property ."realm." validation failed: failed to match pattern

=== TEST 6: without a say, the date has to be signed
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"hmac-auth": {}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- response_body
{"value": {"plugins": {"hmac-auth": {"signed_headers": ["date"]}}}}

=== TEST 7: no signature
--- request
GET /hello
--- error_code: 401
--- response_body
{"message":"client request can't be validated: missing Authorization header"}

=== TEST 8: a secret that is not what it is said to be
--- admin
PUT /apisix/admin/consumers
{"username": "ann", "plugins": {"jwt-auth": {"key": "k", "secret": "not/base64!", "base64_secret": true}}}
--- error_code: 400
--- response_body_like
base64_secret required but the secret is not in base64 format

=== TEST 9: a token in a cookie
--- admin
PUT /apisix/admin/consumers
{"username": "ann", "plugins": {"jwt-auth": {"key": "k", "secret": "s3cret"}}}

=== TEST 10: that is to be hidden
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"jwt-auth": {"hide_credentials": true}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 11: is taken out of the cookies
--- request
GET /headers
--- more_headers
Cookie: a=1; jwt=eyJhbGciOiJIUzI1NiJ9.eyJrZXkiOiJrIn0.6-4chf_xk3YQmkQPQrIeaITf8zPHemVXhjtNB0NKYaI; b=2
--- response_body_like
"cookie":"a=1; b=2"

=== TEST 12: who may use which methods
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"jwt-auth": {}, "consumer-restriction": {"allowed_by_methods": [{"user": "ben", "methods": ["POST"]}]}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 13: whom no rule names, every one
--- request
GET /hello
--- more_headers
Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJrZXkiOiJrIn0.6-4chf_xk3YQmkQPQrIeaITf8zPHemVXhjtNB0NKYaI
--- response_body
hello

=== TEST 14: an address that is none
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"ip-restriction": {"whitelist": ["10.0.0.0/40"]}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
failed to validate item 1: object matches none of the required
