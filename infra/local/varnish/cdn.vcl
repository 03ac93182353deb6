# CloudFront as infra/cdn.yaml sets it up, as far as Varnish can be it: for tests on this machine. rules.vcl has the paths, keys and times.
#
# Two caches in one process: an edge that keeps answers, and behind it a shield that keeps errors. They are two so that an error does not
# displace the answer before it, which may still serve. What is not kept goes from the edge to the origin.
#
# The file that includes this one has `vcl 4.1;`, the backends `api` and `shield` (this process, at its socket of that name), and two
# subroutines: `to_origin` puts the stage before the path and the API's host into Host; `to_verified_origin` adds the header that proves
# the way.
import std;
include "rules.vcl";

sub vcl_recv {
    if (local.socket == "shield") { return (hash); }
    if (req.restarts == 0) {
        unset req.http.Cdn-Old;
        unset req.http.Cdn-Error;
        call behaviour;
        if (req.http.Cdn-Policy == "Nothing") { return (pass); }
        call key;
    }
    if (req.http.Cdn-Error || (req.method != "GET" && req.method != "HEAD")) { return (pass); }
    # The API's stale-while-revalidate, or whatever an answer's stale-if-error leaves.
    if (req.http.Cdn-Old) { set req.grace = 1h; } else { set req.grace = 1s; }
    return (hash);
}

# CloudFront drops what is in no policy. Varnish can only drop what it is told: what the API, or any of its answers, might depend on.
sub drop_all {
    unset req.http.Accept;
    unset req.http.Accept-Encoding;
    unset req.http.Accept-Language;
    unset req.http.Authorization;
    unset req.http.Cookie;
    unset req.http.Content-Type;
    unset req.http.Idempotency-Key;
    unset req.http.If-Match;
    unset req.http.Origin;
    unset req.http.Referer;
    unset req.http.User-Agent;
    unset req.http.X-Forwarded-For;
}

# CloudFront looks up the viewer's address; here a test says where its viewer is.
sub set_country {
    unset req.http.CloudFront-Viewer-Country;
    if (req.http.Test-Viewer-Country) { set req.http.CloudFront-Viewer-Country = req.http.Test-Viewer-Country; }
}

sub vcl_hash {
    hash_data(local.socket);
    hash_data(req.http.Cdn-Key);
    call hash_headers;
    return (lookup);
}

sub vcl_hit { set req.http.Cdn-Cache = "Hit"; return (deliver); }
sub vcl_pass { set req.http.Cdn-Cache = "Pass"; return (fetch); }

sub vcl_miss {
    if (req.http.Cdn-Old) {
        # There is no older answer, so it is the error.
        unset req.http.Cdn-Old;
        set req.http.Cdn-Error = "1";
        return (restart);
    }
    set req.http.Cdn-Cache = "Miss";
    return (fetch);
}

sub vcl_backend_fetch {
    # Who gets an older answer after an error does not ask again.
    if (bereq.http.Cdn-Old) { return (abandon); }
    if (local.socket == "edge" && (!bereq.uncacheable || bereq.http.Cdn-Error)) {
        set bereq.backend = shield;
        return (fetch);
    }
    set bereq.backend = api;
    if (bereq.http.Cdn-Origin ~ "Verified$") { call to_verified_origin; }
    call to_origin;
    return (fetch);
}

sub vcl_backend_response {
    if (bereq.uncacheable) { return (deliver); }
    if (local.socket == "shield") {
        set beresp.ttl = 0s;
        call keep_errors;
    } else {
        if (beresp.status >= 500) { return (abandon); }
        call keep_answer;
    }
    set beresp.keep = 0s;
    if (beresp.ttl <= 0s) {
        set beresp.ttl = 1s;  # for so long requests for it do not wait for each other; nothing is kept
        set beresp.uncacheable = true;
    }
    return (deliver);
}

# CloudFront keeps what the API grants, a cookie with it if there is one: nothing but the API's word keeps an answer out.
sub keep_answer {
    if (beresp.http.Cache-Control ~ "(?i)\b(no-store|no-cache|private)\b") { set beresp.ttl = 0s; }
    call bound_time;
    if (std.duration(regsub(beresp.http.Cache-Control, "^.*stale-if-error=([0-9]+).*$", "\1s"), 0s) > beresp.grace) {
        set beresp.grace = std.duration(regsub(beresp.http.Cache-Control, "^.*stale-if-error=([0-9]+).*$", "\1s"), 0s);
    }
}

sub vcl_backend_error {
    set beresp.status = 502;
    set beresp.http.Content-Type = "text/plain";
    set beresp.body = "The origin does not answer.";
    if (!bereq.uncacheable) { call keep_errors; }
    return (deliver);
}

sub vcl_synth {
    # The edge got an error from the shield.
    if (req.restarts == 0) {
        set req.http.Cdn-Old = "1";
        return (restart);
    }
    return (deliver);
}

sub vcl_deliver {
    if (local.socket == "edge") { set resp.http.X-Cache = req.http.Cdn-Cache; }
    return (deliver);
}
