/**
 * A certificate that signs itself, for `localhost`, `*.test` and the loopback addresses, for a
 * hundred years. It protects nothing: tests that want it trusted say so themselves.
 */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBvTCCAWOgAwIBAgIUQaJUOcxn/McE31hxfoAxKqi52DAwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMZmF1bHQgb3JpZ2luMCAXDTI2MTEyNDAyMzMzMFoYDzIxMjYx
MDMxMDIzMzMwWjAXMRUwEwYDVQQDDAxmYXVsdCBvcmlnaW4wWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAASNxDBzJGH0WF6XLrn28QmXzFgyyf6u3Q0d0hWRCPJxxB2N
d60C4HmKLuarYrrnglb0ItltgQkbfVEiSdnaCPrio4GKMIGHMB0GA1UdDgQWBBRQ
1xox15BVw8JOGebkI7ihfke1bTAfBgNVHSMEGDAWgBRQ1xox15BVw8JOGebkI7ih
fke1bTAPBgNVHRMBAf8EBTADAQH/MDQGA1UdEQQtMCuCCWxvY2FsaG9zdIIGKi50
ZXN0hwR/AAABhxAAAAAAAAAAAAAAAAAAAAABMAoGCCqGSM49BAMCA0gAMEUCIQC2
ZrKWrTktrQ7NXJ4VhE1k0oZsrNq677bNQlX4U0ytAgIgMooKFQYiuBxQ/EKecAN+
rSborc63VJxTKVALPuZ09tI=
-----END CERTIFICATE-----`;

export const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgY7apyg4lypsj6wyg
Jl+QKAGdB4DIN4AAOWQ+oRpxfUWhRANCAASNxDBzJGH0WF6XLrn28QmXzFgyyf6u
3Q0d0hWRCPJxxB2Nd60C4HmKLuarYrrnglb0ItltgQkbfVEiSdnaCPri
-----END PRIVATE KEY-----`;
