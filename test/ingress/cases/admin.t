=== TEST 1: a route is made with its defaults
--- admin
PUT /apisix/admin/routes/1
{"uri": "/hello", "upstream": {"type": "roundrobin", "nodes": {"{{backend}}": 1}}}
--- response_body
{"key": "/apisix/routes/1", "value": {"id": "1", "priority": 0, "status": 1, "upstream": {"scheme": "http", "hash_on": "vars"}}}

=== TEST 2: and serves
--- request
GET /hello
--- response_body
hello

=== TEST 3: an id of the body that is not the URL's
--- admin
PUT /apisix/admin/routes/1
{"id": "2", "uri": "/hello"}
--- error_code: 400
--- response_body
{"error_msg": "wrong route id"}

=== TEST 4: something is needed beside uri
--- admin
PUT /apisix/admin/routes/2
{"uri": "/hello"}
--- error_code: 400
--- response_body_like
invalid configuration: object matches none of the required

=== TEST 5: unknown properties
--- admin
PUT /apisix/admin/routes/2
{"uri": "/hello", "upstream_id": 1, "colour": "red"}
--- error_code: 400
--- response_body
{"error_msg": "invalid configuration: additional properties forbidden, found colour"}

=== TEST 6: references have to be there
--- admin
PUT /apisix/admin/routes/2
{"uri": "/hello", "upstream_id": "9"}
--- error_code: 400
--- response_body
{"error_msg": "failed to fetch upstream info by upstream id [9], response code: 404"}

=== TEST 7: stamps are the server's
--- admin
PUT /apisix/admin/upstreams/1
{"nodes": {"{{backend}}": 1}, "create_time": 1}
--- error_code: 400
--- response_body
{"error_msg": "the property is forbidden:  create_time"}

=== TEST 8: PATCH of a part
--- admin
PATCH /apisix/admin/routes/1/upstream/nodes
{"127.0.0.1:1": 0, "{{backend}}": 5}
--- response_body
{"value": {"upstream": {"nodes": {"127.0.0.1:1": 0, "{{backend}}": 5}}}}

=== TEST 9: PATCH that removes
--- admin
PATCH /apisix/admin/routes/1
{"priority": 7, "upstream": {"nodes": {"127.0.0.1:1": null}}}
--- response_body
{"value": {"priority": 7, "upstream": {"nodes": {"{{backend}}": 5}}}}

=== TEST 10: a proto that somebody keeps
--- admin
PUT /apisix/admin/protos/1
{"content": "syntax = \"proto3\";"}
--- error_code: 201

=== TEST 11: no PATCH for protos
--- admin
PATCH /apisix/admin/protos/1
{"content": "x"}
--- error_code: 405

=== TEST 12: resources that do not exist
--- admin
GET /apisix/admin/things
--- error_code: 404
--- response_body
{"error_msg": "Unsupported resource type: things"}

=== TEST 13: deleting twice
--- admin
DELETE /apisix/admin/protos/1
--- response_body
{"key": "/apisix/protos/1", "deleted": "1"}

=== TEST 14: the second time
--- admin
DELETE /apisix/admin/protos/1
--- error_code: 404
--- response_body
{"message": "Key not found"}

=== TEST 15: a stream route where there is no stream proxy
--- admin
PUT /apisix/admin/stream_routes/1
{"server_port": 9100, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body
{"error_msg": "stream mode is disabled, can not add stream routes"}

=== TEST 16: credentials need their consumer
--- admin
PUT /apisix/admin/consumers/nobody/credentials/1
{"plugins": {"key-auth": {"key": "x"}}}
--- error_code: 404

=== TEST 17: credentials are for authentication
--- admin
PUT /apisix/admin/consumers
{"username": "ann"}
--- error_code: 201

=== TEST 18: and for nothing else
--- admin
PUT /apisix/admin/consumers/ann/credentials/1
{"plugins": {"cors": {}}}
--- error_code: 400
--- response_body_like
only supports auth type plugins in consumer credential

=== TEST 19: no route
--- request
GET /nowhere
--- error_code: 404
--- response_body
{"error_msg":"404 Route Not Found"}

=== TEST 20: strings over several lines, as shells leave them
--- admin
PUT /apisix/admin/protos/2
{"content": "syntax = \"proto3\";
	message Box { string label = 1; }
"}
--- error_code: 201

=== TEST 21: a credential whose id is in the body
--- admin
PUT /apisix/admin/consumers/ann/credentials
{"id": "second", "plugins": {"key-auth": {"key": "y"}}}
--- error_code: 201
--- response_body
{"key": "/apisix/consumers/ann/credentials/second", "value": {"id": "second"}}

=== TEST 22: credentials of nobody
--- admin
GET /apisix/admin/consumers/nobody/credentials
--- error_code: 404
--- response_body
{"message": "Key not found"}

=== TEST 23: a PATCH may say when
--- admin
PATCH /apisix/admin/routes/1
{"update_time": 1700000000}
--- response_body
{"value": {"update_time": 1700000000}}

=== TEST 24: secrets know when, too
--- admin
PUT /apisix/admin/secrets/vault/1
{"uri": "http://127.0.0.1:8200", "prefix": "kv", "token": "t"}
--- response_body_like
"create_time":\d+

=== TEST 25: pages begin with the first, whatever is asked for
--- admin
GET /apisix/admin/routes?page=-1&page_size=10
--- response_body
{"total": 1}

=== TEST 26: a proto that is none
--- admin
PUT /apisix/admin/protos/3
{"content": "message {"}
--- error_code: 400
--- response_body_like
invalid content: 
