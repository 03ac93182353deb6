# Made from infra/cdn.yaml by `make check-template ARGS=--write`; cdn.vcl calls these.

sub behaviour {
    if (req.url ~ "^/v1/polls/[^?]*/results(\?|$)") { set req.http.Cdn-Policy = "Public"; set req.http.Cdn-Origin = "Shielded"; }
    elsif (req.url ~ "^/v1/polls/[^?]*/results/segments(\?|$)") { set req.http.Cdn-Policy = "Public"; set req.http.Cdn-Origin = "Shielded"; }
    elsif (req.url ~ "^/v1/polls/[^?]*/results/series(\?|$)") { set req.http.Cdn-Policy = "Public"; set req.http.Cdn-Origin = "Shielded"; }
    elsif (req.url ~ "^/v1/polls/[^?]*/votes(\?|$)") { set req.http.Cdn-Policy = "Country"; set req.http.Cdn-Origin = "Verified"; }
    elsif (req.url ~ "^/p/[^?]*/results(\?|$)") { set req.http.Cdn-Policy = "Public"; set req.http.Cdn-Origin = "PagesShielded"; }
    elsif (req.url ~ "^/p/[^?]*(\?|$)") { set req.http.Cdn-Policy = "Country"; set req.http.Cdn-Origin = "PagesVerified"; }
    elsif (req.url ~ "^/sign\-in(\?|$)") { set req.http.Cdn-Policy = "Country"; set req.http.Cdn-Origin = "PagesVerified"; }
    elsif (req.url ~ "^/v1/graphql/[^?]*(\?|$)") { set req.http.Cdn-Policy = "Public"; set req.http.Cdn-Origin = "Shielded"; }
    else { set req.http.Cdn-Policy = "Nothing"; set req.http.Cdn-Origin = "Direct"; }
}

sub key {
    if (req.http.Cdn-Policy == "Public") {
        set req.http.Cdn-Key = regsuball(req.url, "(?<=[?&])(?!(by|from|lang|method|step|to|variables|view)(=|&|$))[^&]*(&|$)", "");
        set req.http.Cdn-Key = regsub(req.http.Cdn-Key, "[?&]+$", "");
        set req.url = req.http.Cdn-Key;
        call drop_all;
    }
    if (req.http.Cdn-Policy == "Country") {
        set req.http.Cdn-Key = regsuball(req.url, "(?<=[?&])(?!(by|from|issuer|lang|method|state|step|to|variables|view)(=|&|$))[^&]*(&|$)", "");
        set req.http.Cdn-Key = regsub(req.http.Cdn-Key, "[?&]+$", "");
        call set_country;
    }
}

sub hash_headers {
    if (req.http.Cdn-Policy == "Country") { hash_data(req.http.Authorization); }
    if (req.http.Cdn-Policy == "Country") { hash_data(req.http.CloudFront-Viewer-Country); }
}

sub bound_time {
    if (bereq.http.Cdn-Policy == "Public" && beresp.ttl > 60s) { set beresp.ttl = 60s; }
    if (bereq.http.Cdn-Policy == "Country" && beresp.ttl > 1s) { set beresp.ttl = 1s; }
}

sub keep_errors {
    if (beresp.status == 500) { set beresp.ttl = 1s; }
    if (beresp.status == 501) { set beresp.ttl = 1s; }
    if (beresp.status == 502) { set beresp.ttl = 1s; }
    if (beresp.status == 503) { set beresp.ttl = 1s; }
    if (beresp.status == 504) { set beresp.ttl = 1s; }
}
