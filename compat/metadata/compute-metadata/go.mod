module github.com/propusk/propusk/compat/metadata/compute-metadata

go 1.26

require cloud.google.com/go/compute/metadata v0.9.0

require golang.org/x/sys v0.35.0 // indirect
