=== TEST 1: a schema for bodies
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"request-validation": {"body_schema": {"type": "object", "properties": {"role": {"enum": ["user"]}}}, "max_req_body_size": 60, "rejected_code": 422}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 2: the server gets what was checked
--- request
POST /echo
{"role": "admin", "a": [{"b": "x\":"}], "role": "user"}
--- response_body
{"role":"user","a":[{"b":"x\":"}]}

=== TEST 3: and otherwise the client's own words
--- request
POST /echo
{"role": "user",  "n": 12345678901234567890}
--- response_body
{"role": "user",  "n": 12345678901234567890}

=== TEST 4: what does not fit
--- request
POST /echo
{"role": "admin"}
--- error_code: 422

=== TEST 5: too much
--- request
POST /echo
{"role": "user", "filler": "0123456789012345678901234567890123456789"}
--- error_code: 422

=== TEST 6: one way to read it only
--- request
POST /echo
{"role": "user"}
--- more_headers
Content-Type: application/json, application/x-www-form-urlencoded
--- error_code: 422

=== TEST 7: a route that looks into bodies
--- admin
PUT /apisix/admin/routes/2
{"uri": "/elsewhere", "vars": [["post_arg.a", "==", "b"]], "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 8: does not lift another's limit on them
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "vars": [["post_arg.team", "==", "red"]], "plugins": {"request-validation": {"body_schema": {"type": "object"}, "max_req_body_size": 20}, "proxy-rewrite": {"headers": {"X-Team": "$post_arg.team", "X-Field": "$http_my_field"}}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 9: of a few bytes
--- request
POST /headers
{"team": "red", "filler": "0123456789"}
--- more_headers
Content-Type: application/json
--- error_code: 400

=== TEST 10: variables of the body, and of fields with underscores
--- request
POST /headers
{"team": "red"}
--- more_headers
Content-Type: application/json
my_field: 7
--- response_body_like
"x-team":"red","x-field":"7"
