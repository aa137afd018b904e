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
