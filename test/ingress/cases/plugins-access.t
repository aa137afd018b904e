=== TEST 1: somebody with labels
--- admin
PUT /apisix/admin/consumers
{"username": "ann", "labels": {"team": "red,blue", "state": "[\"new\",\"paid\"]"}, "plugins": {"key-auth": {"key": "k"}, "jwe-decrypt": {"key": "k1", "secret": "0123456789abcdef0123456789abcdef"}}}

=== TEST 2: a route for a team
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"key-auth": {}, "acl": {"allow_labels": {"team": ["green", "blue"]}, "deny_labels": {"state": ["suspended"]}}, "proxy-buffering": {"disable_proxy_buffering": true}, "proxy-control": {}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 3: that is hers
--- request
GET /hello
--- more_headers
apikey: k
--- response_body
hello

=== TEST 4: unless she has the wrong state
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"key-auth": {}, "acl": {"allow_labels": {"team": ["blue"]}, "deny_labels": {"state": ["paid"]}, "rejected_code": 451}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 5: then not
--- request
GET /hello
--- more_headers
apikey: k
--- error_code: 451
--- response_body
{"message":"The consumer is forbidden."}

=== TEST 6: labels for some, by weight
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"traffic-label": {"rules": [{"match": [["arg_user", "==", "x"]], "actions": [{"set_headers": {"X-Track": "a-$arg_user"}}, {"weight": 1}]}, {"actions": [{"set_headers": {"X-Track": "all"}}]}]}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 7: the first
--- request
GET /headers?user=x
--- response_body_like
"x-track":"a-x"

=== TEST 8: the second has none
--- request
GET /headers?user=x
--- response_body_like
^(?!.*x-track)

=== TEST 9: others
--- request
GET /headers
--- response_body_like
"x-track":"all"

=== TEST 10: an action there is not
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"traffic-label": {"rules": [{"actions": [{"sing": {}}]}]}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
not supported action: sing

=== TEST 11: tokens to decrypt
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"jwe-decrypt": {"header": "X-Token", "forward_header": "X-Plain"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 12: the server gets what is in them
--- request
GET /headers
--- more_headers
X-Token: Bearer eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiazEifQ..cGxleHVzLWl2LTEy.2X62TT7FQF20.91Axrj3q-qSWBrLOileIXg
--- response_body_like
"x-plain":"who it is"

=== TEST 13: if nobody changed them
--- request
GET /headers
--- more_headers
X-Token: eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiazEifQ..cGxleHVzLWl2LTEy.2X62TT7FQF20.91Axrj3q-qSWBrLOiAAAAA
--- error_code: 400
--- response_body
{"message":"failed to decrypt JWE token"}

=== TEST 14: if there are any
--- request
GET /headers
--- more_headers
X-Plain: made up
--- error_code: 403
--- response_body
{"message":"missing JWE token in request"}

=== TEST 15: a secret of another length
--- admin
PUT /apisix/admin/consumers
{"username": "ben", "plugins": {"jwe-decrypt": {"key": "k2", "secret": "short"}}}
--- error_code: 400
--- response_body_like
the secret length should be 32 chars

=== TEST 16: pages of our own
--- admin
PUT /apisix/admin/plugin_metadata/error-page
{"enable": true, "error_404": {"body": "<p>Gone.</p>"}, "error_503": {"body": ""}}

=== TEST 17: for every request
--- admin
PUT /apisix/admin/global_rules/1
{"plugins": {"error-page": {}}}

=== TEST 18: a route whose server knows errors too
--- admin
PUT /apisix/admin/routes/1
{"uri": "/missing", "plugins": {}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 19: which stay its own
--- request
GET /missing
--- error_code: 404
--- response_body
nothing

=== TEST 20: ours have our page
--- request
GET /nowhere
--- error_code: 404
--- response_headers
Content-Type: text/html
--- response_body
<p>Gone.</p>

=== TEST 21: a directory's realm
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"ldap-auth": {"base_dn": "ou=a", "ldap_uri": "127.0.0.1:1", "realm": "staff"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 22: is asked for
--- request
GET /hello
--- error_code: 401
--- response_headers
WWW-Authenticate: Basic realm="staff"
