module cistern.example/load

go 1.23
