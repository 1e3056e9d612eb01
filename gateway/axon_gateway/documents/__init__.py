"""Both contracts of the gateway for machines, OpenAPI and AsyncAPI, made of its own tables."""

from axon.v1 import inference_pb2 as pb

#: The contract's, such as "v1". What a package's metadata says is not known in an image.
VERSION = pb.DESCRIPTOR.package.rpartition(".")[2]
