=== TEST 1: captures in the path and in fields
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-rewrite": {"regex_uri": ["^/old/([^/]+)/(.*)$", "/headers/${2}?from=$1"], "headers": {"add": {"X-Both": ["a-$1", "$http_x_who"], "X-Gone": "1"}, "remove": ["X-Gone"]}}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 2: which clients cannot make variables of
--- request
GET /old/$http_cookie/b?x=1
--- more_headers
Cookie: secret
X-Who: me
--- response_body_like
^(?!.*x-gone)(?!.*a-secret).*"x-both":"a-.http_cookie, me"

=== TEST 2b: a field about the client that is not to be told
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-rewrite": {"headers": {"remove": ["X-Forwarded-Host", "X-Forwarded-Port"]}}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 2c: whether the client sends it or not
--- request
GET /headers
--- more_headers
X-Forwarded-Host: client.example
--- response_body_like
^(?!.*x-forwarded-(host|port)).*"x-forwarded-proto":"http"

=== TEST 2d: by itself
--- request
GET /headers
--- response_body_like
^(?!.*x-forwarded-(host|port)).*"x-forwarded-proto":"http"

=== TEST 3: a new path of variables
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-rewrite": {"uri": "/headers$uri"}, "redirect": {"uri": "$upstream_uri"}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 4: has no query that hid in the path
--- request
GET /a%3Fb=c
--- error_code: 302
--- response_headers
Location: /headers/a%253Fb=c

=== TEST 5: a template that names no group
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-rewrite": {"regex_uri": ["^/(.*)", "/$host"]}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
invalid capturing variable name found

=== TEST 6: a value that would break a line
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-rewrite": {"headers": {"X-A": "a\r\nb"}}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
invalid value character in header

=== TEST 6b: a copy to what is no host
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"proxy-mirror": {"host": "http://127.0.0.1::1999"}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
property .{1,2}host.{1,2} validation failed

=== TEST 7: redirect what matches, keep the rest
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"redirect": {"regex_uri": ["^/old", "https://new.example"], "append_query_string": true}}}

=== TEST 8: of the path
--- request
GET /old/page?a=b
--- error_code: 302
--- response_headers
Location: https://new.example/page?a=b

=== TEST 9: answers by their status
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"response-rewrite": {"vars": [["status", "==", 404]], "filters": [{"regex": "[a-z]+g$", "replace": "[$0]"}], "headers": {"set": {"X-Was": "$status"}, "add": ["X-Was: 0"]}}}, "upstream": {"nodes": {"{{backend}}": 1}}}

=== TEST 10: this one
--- request
GET /missing
--- error_code: 404
--- response_headers
X-Was: 404
--- response_body
[nothing]

=== TEST 11: and not that one
--- request
GET /hello
--- response_headers
X-Was:
--- response_body
hello

=== TEST 12: flags that there are not
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"response-rewrite": {"filters": [{"regex": "a", "replace": "b", "options": "jh"}]}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
regex ."a." validation failed: unknown flag ."h." .flags ."jh.".

=== TEST 13: a body that is not base64
--- admin
PUT /apisix/admin/routes/1
{"uri": "/*", "plugins": {"response-rewrite": {"body": "!", "body_base64": true}}, "upstream": {"nodes": {"{{backend}}": 1}}}
--- error_code: 400
--- response_body_like
invalid base64 content
