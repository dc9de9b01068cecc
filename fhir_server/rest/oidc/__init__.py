"""An outside OpenID provider in place of the embedded authorization server: its tokens are verified here, and it issues all of them.

provider   discovery and keys, fetched and kept for a while     fetch   one JSON document over https
claims     a token's claims -> an Actor                         verify  a token of the provider's -> Token
https://openid.net/specs/openid-connect-discovery-1_0.html
"""
