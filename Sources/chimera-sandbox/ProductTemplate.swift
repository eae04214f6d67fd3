/// One product of RP's detailed list: every field that the real service sends, about 6 KB with its values.
///
/// Line breaks are not part of it. `<code>` and the like are places for values, see `ProductSlot`.
enum ProductTemplate {
    static let text = #"""
        {"Codigo":<code>,"SKU":<code>,"CodigoBarras":"<barcode>","CodigoNCM":"2202.<c1>.00","Descricao":"<name>",
        "Complemento":"LINHA REGULAR, CAIXA COM <c2> UNIDADES","Marca":"<brand>","Preco":<price>,"Grupo":"<c3>.<c4>.<c5>",
        "Oferta":"<offer>","DataOferta":"<offerTo>","PrecoNormal":<normalPrice>,"CodigoUnidade":"<unit>",
        "CodigoDepartamento":"<c6>","Departamento":"<department>","Ativo":<active>,"CodigoTributario":"F<c7>",
        "fornecedorPadrao":<c8>,"Status":"<status>","classe":"B","Estoque1":<m1>,"Estoque2":<m2>,"Estoque3":<m3>,
        "Estoque4":<m4>,"Estoque5":<m5>,"PrecoLista":<price>,"PrecoPDV":<price>,"PrecoPDV2":<club>,"PrecoPDV3":0,
        "PrecoPDV4":0,"PrecoPDV5":0,"PrecoEtiqueta":<price>,"PrecoCartaz":<price>,"PrecoVenda2":<club>,"PrecoVenda3":0,
        "PrecoVenda4":0,"PrecoVenda5":0,"FatorPr3":1,"FatorPr4":1,"FatorPr5":1,"AgprPreco1":"","AgprPreco2":"",
        "AgprPreco3":"","AgprPreco4":"","AgprPreco5":"","AgofPreco1":0,"AgofPreco2":0,"AgofPreco3":0,"AgofPreco4":0,
        "AgofPreco5":0,"CodEstoque":<c9>,"EstoqueMinimo":<m6>,"EstoqueMaximo":<m7>,"VendaMediaDiaria":<m8>,"Espaco":<c13>,
        "CodigoCaixa":"<barcode>","CustoCompra":<m9>,"CustoEmpresa":<m10>,"CustoFiscal":<m11>,"CustoMedio":<m12>,
        "CustoTranferencia":<m13>,"CustoVenda":<m14>,"SetorLoja":"CORREDOR <c9>","SetorDeposito":"RUA <c10> NIVEL <c11>",
        "DescricaoPDV":"<posName>","Bloqueado":<blocked>,"Altura":<m15>,"Largura":<m16>,"Profundidade":<m17>,"Peso":<m18>,
        "PesoLiquido":<m19>,"PrecoUnidadeMedida":<price>,"PrecoPDVUnidadeMedida":<price>,"PrecoVenda2UnidadeMedida":<club>,
        "PrecoVenda3UnidadeMedida":0,"PrecoVenda4UnidadeMedida":0,"PrecoVenda5UnidadeMedida":0,
        "descricaoEcommerce":"<name> - compre online e retire na loja",
        "complementoEcommerce":"Imagem meramente ilustrativa. Consulte a disponibilidade na sua unidade.",
        "marcaEcommerce":"<brand>","idEcommerce":<code>,"codBarrasAlterados":["<barcode>"],"DescricaoCliente":"<name>",
        "Temperatura":0,"TipoEmbalagem":"UN","QuantidadeEmbalagem":<c12>,"Alterado":"N","Etq":0,"Ctz":0,"Tecla":"",
        "PzRepos":0,"PzEntrega":0,"DiasSeg":0,"Validade":<c13>,"ValMinima":0,"Marcado":"N","PrVendaAnt":<m1>,
        "DtPrVenda":"<dash1>","UsuAltPr":<c14>,"Margem":<m20>,"MargemMin":<m21>,"QtdeOferta":<c4>,"DtIniOferta":"<offerFrom>",
        "DtUltComp":"<slash1>","PrUltComp":<m22>,"QultComp":<m23>,"UltSimbComp":"F<c7>","RedBCUltComp":<c10>,"UltForn":<c8>,
        "DtCustos":"<dash2>","Comissao":0,"DifCusto":<m24>,"DifVenda":<m25>,"EtqMag":"N","QtdeAbLoja":<c3>,"DtAbLoja":"",
        "DataOfAnt":"<dash3>","PrecoOfertaAnt":<m26>,"PrecoNormalAnt":<m27>,"TpAltPrVenda":"M","DifCusto1":<m28>,
        "DifCusto2":<m29>,"DifCusto3":<m30>,"DifCusto4":<m31>,"DifCusto5":<m32>,"DifVenda1":<m33>,"DifVenda2":<m34>,
        "DifVenda3":<m35>,"DifVenda4":<m36>,"DifVenda5":<m37>,"CtCompraAnt":<m38>,"CtMedioAnt":<m39>,"CtFiscalAnt":<m40>,
        "CtEmpresaAnt":<m41>,"CtTransfAnt":<c9>,"PrUltCompAnt":<m42>,"TransCtMedio":"N","Faquisicao":"F",
        "Extra1":"SECAO <c4>","Extra2":"GONDOLA <c9>","Extra3":"","Extra4":0,"Extra5":0,"Extra6":0,"Extra7":0,"Extra8":0,
        "Extra9":0,"Prod_Extra1":"ORIGEM NACIONAL","Prod_Extra2":"CEST 03.<c5>.00","Prod_Extra3":"MVA <c11>","Prod_Extra4":0,
        "Prod_Extra5":0,"Prod_Extra6":"SEM GLUTEN","Prod_Extra7":"PESO LIQUIDO DECLARADO","Prod_Extra8":0,"Prod_Extra9":0,
        "Extras":[{"codigo":1,"descricao":"ORIGEM","conteudo":"0","obrigatorio":false},
        {"codigo":2,"descricao":"CLASSE FISCAL","conteudo":"0<c6>","obrigatorio":false},
        {"codigo":3,"descricao":"COR DA ETIQUETA","conteudo":"AMARELA","obrigatorio":false},
        {"codigo":4,"descricao":"PONTO EXTRA","conteudo":"ILHA <c9>","obrigatorio":false},
        {"codigo":5,"descricao":"VASILHAME","conteudo":"NAO RETORNAVEL","obrigatorio":false},
        {"codigo":6,"descricao":"SAZONALIDADE","conteudo":"ANO TODO","obrigatorio":false},
        {"codigo":7,"descricao":"FAMILIA DE PRECO","conteudo":"<c4><c5>","obrigatorio":false}],"Dataalt":"<slash2>",
        "Usualt":<c14>,"Frentes":0,"Orig_codigo":0,"PrTabela":0,"CreditoST":0,"CodigoSim":"<code>","DataOfAnt2":"<slash3>",
        "PrecoOfertaAnt2":<m43>,"PrecoNormalAnt2":<m44>,"PrNormal3":<c14>,"PrNormal4":<c1>,"PrNormal5":<c2>,
        "PrecoNormalAnt3":<m45>,"PrecoNormalAnt4":<m46>,"PrecoNormalAnt5":<m47>,"PrecoOfertaAnt3":<m48>,
        "PrecoOfertaAnt4":<m49>,"PrecoOfertaAnt5":<m50>,"Margem3":<m51>,"MargemLucro":<m52>,"Margem4":<m53>,"Margem5":<m54>,
        "TipoAgOf":"0","TipoAgOfAnt":"0","TipoAgOfAnt2":"0","TpTrocas":"T","PrVdaPadrao":<c3>,
        "CurvasABC":{"unidade":"A","rede":"B","departamento":"A","grupo":"C","fornecedor":"B"},"PercImpostos":<m55>,
        "PrVenda2Ant":<m56>,"PrVenda2Ant2":<m57>,"CodigoPreco":0,"Descritivo":"
        Produto destinado ao consumo final. Conserve em local seco, fresco e arejado, ao abrigo da luz e de odores
         fortes. Depois de aberto, mantenha refrigerado
         e consuma em até três dias. Não contém glúten. Contém aromatizante idêntico ao natural. Alérgicos: pode conter
         leite, soja e derivados de trigo.\r\n
        Informa\u00e7\u00f5es nutricionais: por\u00e7\u00e3o de 200 ml (1 copo); valor energ\u00e9tico <c2> kcal;
         carboidratos <c12> g; a\u00e7\u00facares
         totais <c12> g; sódio <c13> mg. Os valores diários têm como base uma dieta de 2.000 kcal ou 8.400 kJ.\r\n
        Atenção: imagens \"meramente ilustrativas\"; os preços e as ofertas valem para a unidade <unit>, enquanto
         durarem os estoques
         ou até a data indicada na etiqueta \/ cartaz. Dúvidas: procure o balcão de atendimento ao cliente da sua loja.\r\n
        Fabricante: <brand>. Lote e validade impressos na embalagem. Indústria brasileira. Código interno <code>,
         barras <barcode>.\r\n
        Sugestão de consumo: sirva gelado, com gelo e rodelas de limão. Aprecie com moderação. Venda proibida a menores
         de 18 anos quando aplicável.\r\n
        Armazenagem: empilhamento máximo de <c11> camadas; palete com <c10> caixas; temperatura ambiente entre 5 e 35 graus.",
        "Funcao":"REVENDA","Balanca":"<scale>","CodigoComprador":"0<c3>","Alcada":0,"FatorEstoque":<c14>,
        "tributacao":{"icms":18,"ipi":0,"pis":1.65,"cofins":7.6,"icms_st":<m3>,"controle":"<c7>"},
        "DataHoraManutencao":"<changedAt>"}
        """#
}
