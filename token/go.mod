module github.com/propusk/propusk/token

go 1.26
