=== TEST 1: lists of origins by name
--- admin
PUT /apisix/admin/plugin_metadata/cors
{"allow_origins": {"partners": "https://a.example,https://b.example"}}

=== TEST 2: used by a route
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"cors": {"allow_origins_by_metadata": ["partners"], "timing_allow_origins": "https://b.example,https://c.example"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 3: a partner, who may not see timing
--- request
GET /hello
--- more_headers
Origin: https://a.example
--- response_headers
Access-Control-Allow-Origin: https://a.example
Timing-Allow-Origin:
Vary: Origin

=== TEST 4: somebody who may only see timing
--- request
GET /hello
--- more_headers
Origin: https://c.example
--- response_headers
Access-Control-Allow-Origin:
Timing-Allow-Origin: https://c.example

=== TEST 5: origins are origins
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"cors": {"allow_origins": "https://a.example,b.example"}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
property ."allow_origins." validation failed: failed to match pattern

=== TEST 6: a cache needs a zone there is
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-cache": {"cache_zone": "nowhere"}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
err: cache_zone nowhere not found

=== TEST 7: of its kind
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-cache": {"cache_zone": "memory_cache"}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
err: invalid or empty cache_zone for cache_strategy: disk

=== TEST 8: methods that are not kept
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-cache": {"cache_zone": "memory_cache", "cache_strategy": "memory", "cache_method": ["GET"]}, "request-id": {"algorithm": "ksuid"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 9: say so; an id in the route's field
--- request
POST /hello
x
--- response_headers
Apisix-Cache-Status: MISS
--- response_body
hello

=== TEST 10: beside that of all requests
--- admin
PUT /apisix/admin/global_rules/1
{"plugins": {"request-id": {"header_name": "X-Global-Id", "algorithm": "range_id", "range_id": {"length": 6, "char_set": "aaaaaa"}}}}

=== TEST 11: is another
--- request
GET /headers
--- response_headers
X-Global-Id: aaaaaa
--- response_body_like
"x-request-id":"[0-9A-Za-z]{27}"

=== TEST 12: a workflow that counts
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"limit-count": {"count": 1, "time_window": 60}, "workflow": {"rules": [{"case": [["arg_a", "==", "1"]], "actions": [["limit-count", {"count": 2, "time_window": 60, "rejected_code": 429}]]}]}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 13: once
--- request
GET /hello?a=1
--- response_headers
X-RateLimit-Remaining: 1

=== TEST 14: counts instead of the plugin
--- request
GET /hello?a=1
--- response_headers
X-RateLimit-Remaining: 0

=== TEST 15: and refuses
--- request
GET /hello?a=1
--- error_code: 429

=== TEST 16: while the plugin has its own count
--- request
GET /hello
--- response_headers
X-RateLimit-Remaining: 0

=== TEST 17: an action that is wrong
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"workflow": {"rules": [{"actions": [["return", {"code": 42}]]}]}}}
--- error_code: 400
--- response_body_like
err: failed to validate the 'return' action: property ."code." validation failed: expected 42 to be at least 100
