=== TEST 1: rules for whom they name
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"limit-count": {"rules": [{"count": 2, "time_window": 60, "key": "user-$http_user"}, {"count": "${http_quota ?? 9}", "time_window": 60, "key": "$http_team", "header_prefix": "Team"}]}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 2: one of them
--- request
GET /hello
--- more_headers
user: ann
--- response_headers
X-1-RateLimit-Remaining: 1
--- response_body
hello

=== TEST 3: the other, by its default
--- request
GET /hello
--- more_headers
team: red
--- response_headers
X-Team-RateLimit-Limit: 9

=== TEST 4: a quota the client spoils does not lift the limit
--- request
GET /hello
--- more_headers
team: red
quota: 0.5
--- error_code: 500

=== TEST 5: nor one too large to count
--- request
GET /hello
--- more_headers
team: red
quota: 9007199254740993
--- error_code: 500

=== TEST 6: nor a request that names neither
--- request
GET /hello
--- error_code: 500

=== TEST 7: two ways to say it
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"limit-count": {"count": 1, "time_window": 1, "rules": []}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
count/time_window and rules cannot be specified at the same time

=== TEST 8: variables that a request has none of
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"limit-count": {"count": 1, "time_window": 60, "key": "$http_a $http_b", "key_type": "var_combination"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 9: leave the address
--- request
GET /hello
--- response_body
hello

=== TEST 10: which counts apart from those who have one
--- request
GET /hello
--- more_headers
b: x
--- response_body
hello

=== TEST 11: and was counted
--- request
GET /hello
--- error_code: 503
